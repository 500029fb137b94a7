"""What travels between the processes of one server."""

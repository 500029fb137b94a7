"""What a client decides: how fast its link is, what to send over it, and when."""

"""Server, cameras and links in one command, with a report at the end."""

"""Server, cameras and links in one command."""

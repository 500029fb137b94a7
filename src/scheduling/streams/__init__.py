"""What a server knows of a stream and decides for it."""

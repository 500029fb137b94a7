"""One run on this machine: a real server, shaped links and emulated cameras, and its score."""

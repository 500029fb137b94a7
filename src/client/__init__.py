"""The SDK for streaming frames to a server, and emulated devices."""

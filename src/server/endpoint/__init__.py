"""The endpoint process: speaks gRPC with clients, and hands their frames to executors."""

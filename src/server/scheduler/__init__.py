"""The scheduler process: holds what is known of streams and devices, and publishes plans."""

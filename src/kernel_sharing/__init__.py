"""A device that tenants share kernel by kernel, live: Energy Time Fairness behind its own interface, and its client."""

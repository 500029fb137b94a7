"""Which waiting frames go to which node, and at which clock, one policy a module."""

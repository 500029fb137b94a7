"""What runs batches: one kind of executor each."""

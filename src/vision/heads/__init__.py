"""What a network's output means: one file for each family's layout, all of them pure and true to batches."""

"""The published studies of planners, for any planners: accuracy against the optimum, and run times."""

"""Our planner: prices of device time, and what improves the plan they lead to."""

"""The serving processes: supervisor, endpoints, scheduler, executors."""

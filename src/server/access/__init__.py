"""Who may use a server that others can reach: its certificate, and its tenants."""

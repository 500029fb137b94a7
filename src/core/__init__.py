"""The nouns of the system: frozen values, no I/O."""

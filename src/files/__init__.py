"""What touches the operating system: files and tables, standard streams, signals."""

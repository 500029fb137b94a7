"""`moonjelly plan`: plans problems given as files."""

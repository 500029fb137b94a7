"""What plans are made for, once everybody is served who can be."""

"""Trained weights that ship with the package, and the list that vouches for them."""

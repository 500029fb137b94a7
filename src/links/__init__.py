"""Links of a laboratory: traces of their rates, and what shapes traffic after them."""

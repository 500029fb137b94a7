"""Fair shares of a device: how long everybody's turn is, between equal time and equal energy, and whose turn it is."""

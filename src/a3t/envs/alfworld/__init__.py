"""ALFWorld in pure Python: the official games, answered word for word as the official engine answers them."""

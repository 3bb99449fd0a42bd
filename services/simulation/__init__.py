"""A simulated internet on loopback, with known truth."""

"""How often and how many at once: rates, turns, back-off, the cap of a day."""

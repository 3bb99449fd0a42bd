"""The fault run: a real `takedown up` under load, and everything that can happen to it."""

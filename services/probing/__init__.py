"""Looks at reported URLs without ever reading a body."""

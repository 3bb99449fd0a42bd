"""One request to one address over a guarded socket; a header block comes back, never a body."""

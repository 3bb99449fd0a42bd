"""The pure core: no waiting, no clock, no I/O."""

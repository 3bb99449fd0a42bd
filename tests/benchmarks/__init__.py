"""Benchmarks: each module has `run()`, which measures and returns figures; `make bench` runs them all."""

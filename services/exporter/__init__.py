"""Prometheus metrics and health."""

"""Kafka in, effects out."""

"""Postgres: the ledger derived from the streams."""

"""The ledger consumer and its relay."""

"""The prober: work list in, looks out."""

"""The fuzzers' readers."""

"""One look: what to ask next, what was learnt of hosts, and the evidence it brings home."""

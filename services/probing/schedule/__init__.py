"""Which case is due when: work lists and the timing wheel."""

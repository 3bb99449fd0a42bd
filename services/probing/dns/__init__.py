"""Names to addresses: queries, answers, and what is remembered of them."""

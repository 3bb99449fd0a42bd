"""The role `attribution`: says who answers for the addresses that served cases."""

"""How urgent a look is, the least number first: one order for the schedule and for the gate."""

Priority = int
"""`DEADLINE`: a deadline is near; `CONFIRMING`: a removal is being confirmed; `REST`: every other look."""

DEADLINE, CONFIRMING, REST = range(3)

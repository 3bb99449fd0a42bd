"""How urgent a look is, the least number first: one order for the schedule and for the gate."""

Priority = int
"""`OVERDUE`: a deadline has passed, and no tick since has been dealt with; `DEADLINE`: one is near; `CONFIRMING`: a
removal is being confirmed; `REST`: every other look."""

OVERDUE, DEADLINE, CONFIRMING, REST = range(4)
PRIORITIES = (OVERDUE, DEADLINE, CONFIRMING, REST)

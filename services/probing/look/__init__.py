"""One look: what to ask next, what was learnt of hosts, and the evidence that it brings home."""

from services.probing.limits.rates import Deferred
from services.probing.look.looker import Explained, Looker
from services.probing.look.memory import LookLimits, Target

__all__ = ["Deferred", "Explained", "LookLimits", "Looker", "Target"]

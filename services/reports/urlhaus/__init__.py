"""A dump of URLhaus as events, so that real data can be measured by the same pipeline as everything else.

Nothing that a dump names is ever resolved or contacted: its reports are historic.
"""

from services.reports.urlhaus.dump import cutoff, dated, events, rows
from services.reports.urlhaus.dumpfile import BadDump
from services.reports.urlhaus.entry import RefusedRow
from services.reports.urlhaus.statements import network

__all__ = ["BadDump", "RefusedRow", "cutoff", "dated", "events", "network", "rows"]

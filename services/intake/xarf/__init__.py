"""XARF, the JSON form of abuse reports: versions 4 and 3, as far as they hold a report of this monitor."""

from services.intake.xarf.xarf_document import NotXarf, read_document
from services.intake.xarf.xarf_entries import xarf_entries
from services.intake.xarf.xarf_report import NoReport, XarfReport, report_of

__all__ = ["NoReport", "NotXarf", "XarfReport", "read_document", "report_of", "xarf_entries"]

"""Exports of SCART, the case system of several hotlines: CSV in three dialects, told by header and form."""

from services.intake.scart.export import file_numbers, read_export
from services.intake.scart.scart_columns import columns_of
from services.intake.scart.scart_csv import BadExport, ExportTable, read_table

__all__ = ["BadExport", "ExportTable", "columns_of", "file_numbers", "read_export", "read_table"]

"""The events that take reports back: all of a case, or those of one reporter."""

from schemas.event_words import Name, Payload


class ReportRetracted(Payload, frozen=True, kw_only=True):
    """The report was wrong or the material is not illegal: out of all counts, and said so."""

    actor: Name
    reason: Name


class ReporterRetracted(Payload, frozen=True, kw_only=True):
    """A reporter takes back its own reports of a case, up to then; others' stand.

    Where no report stands any more, the case is retracted as by the first version.
    """

    reporter: Name
    reason: Name

    @property
    def actor(self) -> str:
        """Who retracts."""
        return self.reporter

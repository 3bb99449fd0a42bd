"""The words and forms in which a status is written for people, on the page and in the terminal alike."""

from datetime import datetime, tzinfo

from services.exporter.not_by_notice import NotByNotice
from services.exporter.status import ProviderLine

LEFT_WORDS = {
    "overdue": "overdue",
    "under_2h": "under 2 h",
    "under_6h": "2 to 6 h",
    "under_12h": "6 to 12 h",
    "under_24h": "12 to 24 h",
    "later": "later",
}
_PROVIDERS = {
    "other": "all smaller providers",
    "unknown": "provider not known",
    "all": "all",
}


def provider_words(name: str) -> str:
    """Name a provider; the labels with a meaning of their own are said in words."""
    return _PROVIDERS.get(name, name)


def refusal_words(one: NotByNotice) -> str:
    """Say why a provider can't be measured by notice."""
    if one.reason == "undeliverable":
        return "no channel carries anything"
    return one.forecast or "its channels are too narrow for the norm"


def count(number: int | None) -> str:
    """Write a count; None: too small to be published."""
    return "<5" if number is None else f"{number:,}"


def share(value: float | None, *, public: bool = False) -> str:
    """Write a share in per cent, in whole ones where it is published."""
    return "-" if value is None else f"{value:.0%}" if public else f"{value:.2%}"


def interval(line: ProviderLine, public: bool = False) -> str:
    """Write lower and upper bound, once where they are the same."""
    low, high = share(line.lower, public=public), share(line.upper, public=public)
    return low if low == high else f"{low[:-1]}-{high}"


def local(at: datetime, zone: tzinfo) -> str:
    """Write an instant in a zone of people, with its name."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"

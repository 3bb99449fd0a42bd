"""The errors that this project raises on purpose."""


class TakedownError(Exception):
    """Base of every error that this project raises on purpose; `str()` is the message for people.

    The message says what is wrong and what to do. It never holds a URL, a host or a secret.
    """

    exit_code: int = 1


class UnusableEvent(TakedownError):
    """An event that can't be used; it goes to the dead-letter topic with its bytes untouched.

    `reason` is one word of the closed list `DEAD_LETTER_REASONS`: it becomes a header and a label.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        if reason not in DEAD_LETTER_REASONS:
            raise ValueError(f"{reason!r} is no dead-letter reason")
        self.reason = reason


DEAD_LETTER_REASONS = (
    "not_cloudevent",
    "unknown_type",
    "wrong_topic",
    "bad_json",
    "bad_data",
    "bad_time",
    "bad_url",
    "bad_seal",
    "no_case",
    "wrong_case",
    "id_conflict",
    "notice_conflict",
    "unfoldable",
)


class BadUrl(UnusableEvent):
    """A URL that can't name a case; the message never repeats it."""

    def __init__(self, message: str) -> None:
        super().__init__("bad_url", message)


class BadSeal(UnusableEvent):
    """A sealed field that no configured key opens."""

    def __init__(self, message: str) -> None:
        super().__init__("bad_seal", message)


class ConfigError(TakedownError):
    """A setting that is missing, unknown or contradictory."""

    exit_code = 2

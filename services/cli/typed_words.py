"""Which words of a command line are text: bytes that are no UTF-8 reach Python as halves of characters."""

from collections.abc import Sequence

import click


def is_text(word: str) -> bool:
    """Tell whether a word can be stored and shown: PostgreSQL takes no NUL, and nobody half a character."""
    return "\x00" not in word and not any("\ud800" <= letter <= "\udfff" for letter in word)


def require_text(words: Sequence[str]) -> None:
    """Refuse a command line that is no text; the word isn't repeated, for it can't be shown."""
    for number, word in enumerate(words, 1):
        if not is_text(word):
            raise click.UsageError(f"word {number} of the command line is no text in UTF-8")

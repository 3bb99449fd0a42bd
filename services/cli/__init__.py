"""The command line: one module a command or group of commands."""

import sys

from services.runtime.lean import spare

# Before any library that would load more.
spare(sys.argv[1:])

from services.cli.app import main  # noqa: E402

__all__ = ["main"]

"""Write files that only their owner may read: whole or not at all, whenever the process or the machine is stopped."""

import os
import secrets
from pathlib import Path


def write_private(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file for its owner alone.

    Raises:
        FileExistsError: there is one, and it is not to be replaced.
    """
    # A name of its own, so that two who write at once never share half a file.
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            scratch.replace(path)
        else:
            os.link(scratch, path)  # unlike a rename, fails where a file is
    finally:
        scratch.unlink(missing_ok=True)

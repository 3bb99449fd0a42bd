"""What flufl.bounce says of mails, run with the Python of an environment that has it: folder in, JSON out."""

import json
import sys
import time
from email import message_from_bytes
from pathlib import Path

from flufl.bounce import all_failures  # type: ignore[import-not-found]


def main(folder: Path) -> None:
    """Print, for each file, the recipients that failed for a while and for good, and the mails per CPU second."""
    raws = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
    answers, before = {}, time.process_time()
    for name, raw in raws.items():
        try:
            temporary, permanent = all_failures(message_from_bytes(raw))
        except Exception as error:  # what it raises is counted, not passed on
            answers[name] = {"error": type(error).__name__}
            continue
        answers[name] = {"temporary": _texts(temporary), "permanent": _texts(permanent)}
    rate = len(raws) / (time.process_time() - before)
    print(json.dumps({"rate": rate, "answers": answers}))


def _texts(names: set[bytes]) -> list[str]:
    return sorted(name.decode("latin-1").lower() for name in names)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

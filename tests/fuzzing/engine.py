"""One reader under atheris, in a process of its own: libFuzzer ends the process at the first fault.

`python -m tests.fuzzing.engine NAME SECONDS FOLDER`: inputs that reached something new are kept in FOLDER/corpus, one
that failed in FOLDER. Their bytes are for who mends the fault; they never become a test as they are.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import atheris  # type: ignore[import-untyped]

MOST_BYTES = 8_192
_SLOWEST_SECONDS = 10
_MOST_MEGABYTES = 1_500

with atheris.instrument_imports(include=["schemas", "services", "consumers"]):
    from tests.fuzzing.seeds import SEEDS
    from tests.fuzzing.targets import TARGETS


def main() -> None:
    """Fuzz one reader; does not return."""
    name, seconds, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    _write(corpus, SEEDS[name]())
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MOST_BYTES}",
        f"-timeout={_SLOWEST_SECONDS}",
        f"-rss_limit_mb={_MOST_MEGABYTES}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[name])
    atheris.Fuzz()


def _write(corpus: Path, seeds: Iterable[bytes]) -> None:
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed[:MOST_BYTES])


if __name__ == "__main__":
    main()

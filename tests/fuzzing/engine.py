"""One reader under atheris, in a process of its own: libFuzzer ends the process at the first fault.

`python -m tests.fuzzing.engine NAME SECONDS FOLDER`: inputs that reached something new are kept in FOLDER/corpus, one
that failed in FOLDER. Their bytes are for who mends the fault; they never become a test as they are.
"""

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import atheris  # type: ignore[import-untyped]

MOST_BYTES = 8_192
# Of the processor: on a busy machine an input waits for longer. By the clock only what never ends is a fault.
_SLOWEST_SECONDS, _ENDLESS_SECONDS = 10, 600
_MOST_MEGABYTES = 1_500
_BYTE_BY_BYTE = 5

with atheris.instrument_imports(include=["schemas", "services", "consumers"]):
    from tests.fuzzing.seeds import SEEDS
    from tests.fuzzing.targets import TARGETS
    from tests.fuzzing.with_postgres import MUTATIONS, WITH_POSTGRES


def main() -> None:
    """Fuzz one reader; does not return."""
    name, seconds, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    _write(corpus, SEEDS[name]())
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MOST_BYTES}",
        f"-timeout={_ENDLESS_SECONDS}",
        f"-rss_limit_mb={_MOST_MEGABYTES}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    target = _timed({**TARGETS, **WITH_POSTGRES}[name])
    mutate = _mutation(MUTATIONS[name]) if name in MUTATIONS else {}
    atheris.Setup([sys.argv[0], *options, str(corpus)], target, **mutate)
    atheris.Fuzz()


def _timed(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Make an input that takes the processor for too long a fault."""

    def timed(data: bytes) -> None:
        begun = time.process_time()
        target(data)
        if time.process_time() - begun > _SLOWEST_SECONDS:
            raise TimeoutError(f"took the processor for more than {_SLOWEST_SECONDS} s")

    return timed


def _mutation(of_its_form: Callable[[bytes, int, int], bytes]) -> dict[str, Any]:
    """Have most inputs changed in their own form, the others byte by byte."""

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        if seed % _BYTE_BY_BYTE == 0:
            return bytes(atheris.Mutate(data, most))
        return of_its_form(data, most, seed)

    return {"custom_mutator": mutate}


def _write(corpus: Path, seeds: Iterable[bytes]) -> None:
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed[:MOST_BYTES])


if __name__ == "__main__":
    main()

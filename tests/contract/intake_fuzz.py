"""Random requests at the intake, drawn from its OpenAPI document by schemathesis, good ones and bad ones.

`python -m tests.contract.intake_fuzz 10000` starts a Kafka and the role, sends so many, and fails on one surprise.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from services.intake.door.openapi import document
from services.runtime.embedded import EmbeddedKafka
from tests.integration.intake_process import IntakeProcess
from tests.integration.ledger_kit import fresh_topics

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
LATEST = datetime(2025, 12, 31, tzinfo=UTC)
# What no schema can say: a time that is in no report, a URL that names nothing, one time after another.
_REFUSED_BY_MEANING = "422"

schemathesis.openapi.format(
    "date-time",
    st.integers(0, 20 * 365 * 86_400).map(
        lambda seconds: (LATEST - timedelta(seconds=seconds)).isoformat()
    ),
)
schemathesis.openapi.format(
    "reported-url",
    st.builds(
        "{}://{}.{}/{}".format,
        st.sampled_from(["http", "https", "hxxp", "hxxps", "ftp"]),
        st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True),
        st.sampled_from(["example", "test", "onion", "[.]example"]),
        st.text(st.characters(codec="utf-8", exclude_characters="\x7f", min_codepoint=0x21)),
    ),
)


class Fuzz:
    """Sends requests, checks every answer against the document, and counts them."""

    def __init__(self, url: str, token: str) -> None:
        self.answers: Counter[tuple[str, str, int]] = Counter()
        self._headers = {"Authorization": f"Bearer {token}"}
        self._schema: Any = schemathesis.openapi.from_dict(document())
        self._schema.config.update(base_url=url)
        accepted = self._schema.config.checks.positive_data_acceptance
        accepted.expected_statuses = [*accepted.expected_statuses, _REFUSED_BY_MEANING]
        self._session = requests.Session()

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return self.answers.total()

    def run(self, requests_in_all: int) -> None:
        """Send so many, in equal parts to every operation; raises what an answer breaks of the contract."""
        operations = [found.ok() for found in self._schema.get_all_operations()]
        each = -(-requests_in_all // (len(operations) * len(MODES)))
        for operation in operations:
            for mode in MODES:
                wanted = self.sent + each
                # Of a small space hypothesis draws fewer than asked for.
                while self.sent < wanted and self._drawn(operation, mode, wanted - self.sent):
                    print(f"{self.sent} requests", file=sys.stderr, flush=True)

    def _drawn(self, operation: Any, mode: GenerationMode, most: int) -> int:
        before = self.sent

        @settings(
            max_examples=most,
            deadline=None,
            database=None,
            derandomize=False,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            answer = case.call(headers=self._headers, session=self._session)
            self.answers[operation.path, mode.value, answer.status_code] += 1
            case.validate_response(answer, headers=self._headers)

        ask()
        return self.sent - before

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


async def _against_the_role(count: int) -> Fuzz:
    with tempfile.TemporaryDirectory() as folder:
        kafka = EmbeddedKafka(Path(folder) / "kafka", fetch=False)
        await kafka.start()
        intake = IntakeProcess(
            Path(folder) / "intake",
            kafka.bootstrap_servers,
            TAKEDOWN_INTAKE_REQUESTS_PER_SECOND="1000000",
            TAKEDOWN_INTAKE_BURST="1000000",
        )
        try:
            await fresh_topics(kafka.bootstrap_servers)
            await intake.start()
            fuzz = Fuzz(intake.url, intake.token)
            await asyncio.to_thread(fuzz.run, count)
            fuzz.close()
            return fuzz
        finally:
            await intake.stop()
            await kafka.stop()


def main() -> None:
    """Run it, and print what was answered."""
    began = time.monotonic()
    fuzz = asyncio.run(_against_the_role(int(sys.argv[1])))
    for (path, mode, status), count in sorted(fuzz.answers.items()):
        print(f"{path:<22}{mode:<10}{status}  {count}")
    print(f"{fuzz.sent} requests in {time.monotonic() - began:.0f} s, nothing against the contract")


if __name__ == "__main__":
    main()

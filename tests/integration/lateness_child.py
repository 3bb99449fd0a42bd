"""A looker on the loop of production that looks at an honest site at a steady rate, at first alone, then under attack.

Prints one line of JSON: how late each innocent look was over, calm and attacked, what the hostile ones ended in, and
how much the memory grew.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

import uvloop

from schemas.urls import canonical
from services.probing.look.memory import Target
from tests.as_configured import look_limits
from tests.integration.lab import CASE, Lab
from tests.integration.looksites import NameServer
from tests.integration.test_hostile import peak_kb

RATE = 40.0
CALM_SECONDS = 3.0
ATTACK_SECONDS = 8.0
PAUSE_SECONDS = 0.25
LIMITS = look_limits(total_seconds=12.0, exchange_seconds=10.0, connect_seconds=5.0)


class Everywhere(dict[str, object]):
    """Every name is here."""

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
        return ["127.0.0.1"]


async def steady(lab: Lab, port: str, attack: "asyncio.Future[Any]") -> list[float]:
    """Begin a look at each tick until the attack is over; give for each how long after its tick it was over.

    Each is at a host of its own: a name to resolve, a connection to open, a sibling to ask for.
    """
    begun, late, looks = time.monotonic(), [], []

    async def one(number: int, tick: float) -> None:
        made = await lab.look(f"http://h{number}.example:{port}/honest")
        assert made.verdict == "online", made.reason
        late.append(time.monotonic() - tick)

    count = 0
    while not attack.done():
        tick = begun + count / RATE
        await asyncio.sleep(max(tick - time.monotonic(), 0.0))
        looks.append(asyncio.create_task(one(count, tick)))
        count += 1
    await asyncio.gather(*looks)
    return sorted(late)


async def attack(lab: Lab, urls: dict[str, str], seconds: float) -> dict[str, str]:
    """Look at every hostile URL at once, and again and again for so long; give what each ended in."""
    begun, found = time.monotonic(), {}

    async def one(name: str, url: str) -> None:
        while name not in found or time.monotonic() < begun + seconds:
            made = await lab.lookers[0].look(Target(CASE, canonical(url)), datetime.now(UTC))
            found[name] = made.reason
            await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*(one(name, url) for name, url in urls.items()))
    return found


async def main(honest: str, urls: dict[str, str]) -> None:
    """Measure calm, then attacked."""
    lab = Lab(await NameServer(Everywhere()).start())
    lab.looker(limits=LIMITS)
    # Everybody's first look loads what it needs.
    quick = {name: urls[name] for name in ("header_byte_too_many", "tls_reset_after_finished")}
    await attack(lab, quick, 0.0)
    calm = await steady(lab, honest, asyncio.ensure_future(asyncio.sleep(CALM_SECONDS)))
    before = peak_kb()
    attacking = asyncio.ensure_future(attack(lab, urls, ATTACK_SECONDS))
    attacked = await steady(lab, honest, attacking)
    grown = peak_kb() - before
    await lab.close()
    print(json.dumps([calm, attacked, attacking.result(), grown]), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], json.loads(sys.argv[2])))

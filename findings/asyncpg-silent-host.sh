#!/usr/bin/env bash
# asyncpg 0.32.0 (pip)
#
# An address may name several servers, to be tried in turn. asyncpg's time-out for a connection is one for all of
# them: where the first accepts the connection and says nothing, as a server does whose disk is gone, the
# whole time goes to it, and the second server is not tried, whatever the number of attempts. libpq's connect_timeout is a time for
# each server, and so is psycopg's: it comes to the second. What is listened to below is no PostgreSQL: it counts who
# connects.
#
# Seen with asyncpg 0.32.0, psycopg 3.3.4 (its binary package), Python 3.11: what `wanted` says below.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check asyncpg==0.32.0 'psycopg[binary]==3.3.4'

cat > see.py <<'PY'
import asyncio

import asyncpg
import psycopg


async def listener(answer: bool) -> tuple[asyncio.Server, list[int]]:
    """Count connections; close each, or keep it and say nothing."""
    counted = [0]

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counted[0] += 1
        if answer:
            writer.close()
        else:
            await reader.read(-1)
            writer.close()

    return await asyncio.start_server(take, "127.0.0.1", 0), counted


async def main() -> None:
    silent, first = await listener(answer=False)
    other, second = await listener(answer=True)
    hosts = [f"127.0.0.1:{one.sockets[0].getsockname()[1]}" for one in (silent, other)]
    address = f"postgresql://user@{','.join(hosts)}/db?sslmode=disable"
    for name, connect in (
        ("asyncpg", lambda: asyncpg.connect(address, timeout=2)),
        ("psycopg", lambda: psycopg.AsyncConnection.connect(address + "&connect_timeout=2")),
    ):
        first[0] = second[0] = 0
        try:
            await connect()
        except Exception as error:
            print(name, "first", first[0], "second", second[0], type(error).__name__)


asyncio.run(main())
PY
seen=$(timeout 60 venv/bin/python see.py)
wanted="asyncpg first 1 second 0 TimeoutError
psycopg first 1 second 1 OperationalError"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"

"""The fault proxy does to the wire what it says; the tests that use it rely on that."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.faultproxy import Fault, FaultProxy

Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    """Stand before a server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        except ConnectionResetError:
            pass
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with FaultProxy.before("127.0.0.1", port) as proxy:
        yield proxy
    server.close()
    await server.wait_closed()


@pytest.fixture
async def wire(proxy: FaultProxy) -> AsyncIterator[Wire]:
    """Open one connection through the proxy, known to work."""
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    yield reader, writer
    writer.close()


async def test_delay_holds_each_chunk(proxy: FaultProxy, wire: Wire) -> None:
    """Delay holds every chunk in both directions, and loses none."""
    reader, writer = wire
    loop = asyncio.get_running_loop()
    await proxy.switch(Fault.DELAY)
    begun = loop.time()
    writer.write(b"late")
    assert await reader.readexactly(4) == b"late"
    assert loop.time() - begun >= 2 * proxy.delay


async def test_stall_moves_nothing_until_it_ends(proxy: FaultProxy, wire: Wire) -> None:
    """A stalled wire is open and silent; afterwards everything arrives."""
    reader, writer = wire
    await proxy.switch(Fault.STALL)
    writer.write(b"later")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    await proxy.switch(Fault.PASS)
    assert await reader.readexactly(5) == b"later"


async def test_reset_breaks_what_is_open_and_what_comes(proxy: FaultProxy, wire: Wire) -> None:
    """A reset reaches the open connection and every new one as an error, not as an end."""
    reader, _ = wire
    await proxy.switch(Fault.RESET)
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    # The writer is held on to: collected as garbage it would close the connection in good order.
    late, late_writer = await asyncio.open_connection(proxy.host, proxy.port)
    with pytest.raises(ConnectionResetError):
        await late.read(1)
    late_writer.close()


async def test_truncate_ends_in_mid_answer(proxy: FaultProxy, wire: Wire) -> None:
    """A truncated answer has exactly the bytes of the budget, then an orderly end."""
    reader, writer = wire
    proxy.budget = 3
    await proxy.switch(Fault.TRUNCATE)
    writer.write(b"truncated")
    assert await reader.read() == b"tru"


async def test_half_close_still_takes_requests(proxy: FaultProxy, wire: Wire) -> None:
    """A half-closed wire has ended for the reader while the writer may go on."""
    reader, writer = wire
    await proxy.switch(Fault.HALF_CLOSE)
    assert await reader.read() == b""
    writer.write(b"into the void")
    await writer.drain()
    assert not writer.is_closing()


async def test_refuse_keeps_the_port_for_later(proxy: FaultProxy, wire: Wire) -> None:
    """While it refuses nobody listens; afterwards the same port takes connections again."""
    port = proxy.port
    await proxy.switch(Fault.REFUSE)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(proxy.host, port)
    await proxy.switch(Fault.PASS)
    reader, writer = await asyncio.open_connection(proxy.host, port)
    writer.write(b"back")
    assert await reader.readexactly(4) == b"back"
    writer.close()


async def test_carries_a_real_postgres(postgres_tcp_dsn: str) -> None:
    """A real client and a real server work through it, and notice when the wire is cut."""
    place = postgres_tcp_dsn.rpartition("@")[2].partition("/")[0]
    host, _, port = place.partition(":")
    async with FaultProxy.before(host, int(port)) as proxy:
        dsn = postgres_tcp_dsn.replace(place, f"{proxy.host}:{proxy.port}")
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SELECT 41 + 1") == 42
        await proxy.switch(Fault.RESET)
        with pytest.raises((asyncpg.PostgresConnectionError, OSError)):
            await connection.fetchval("SELECT 1")
        connection.terminate()

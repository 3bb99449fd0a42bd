"""The audit log in a real database: append-only, chained, and that a hand in it shows."""

import asyncio

import asyncpg
import pytest

from services.ledger import audit, migrate
from services.ledger.audit import AuditBroken, AuditRefused, Head
from services.ledger.migrate import shipped

CASE = "a" * 32


@pytest.fixture
async def owner(postgres_dsn):
    """Give a session of the owner on a migrated database."""
    session = await asyncpg.connect(postgres_dsn)
    await migrate.up(session)
    yield session
    await session.close()


@pytest.fixture
async def filled(owner):
    """Give the same with five entries, written as the ledger."""
    await owner.execute("SET ROLE takedown_ledger")
    for number in range(5):
        case = None if number == 3 else CASE
        await audit.record(owner, "officer", "reveal", case, f"enquiry {number} | ünïcode")
    await owner.execute("RESET ROLE")
    return owner


async def forged(session, statement):
    """Change the log as only an owner can: with its guard taken away."""
    await session.execute("ALTER TABLE audit_log DISABLE TRIGGER USER")
    await session.execute(statement)
    await session.execute("ALTER TABLE audit_log ENABLE TRIGGER USER")


async def test_an_empty_and_a_filled_log_verify(owner, filled):
    """The chain that the database writes is the one that the program computes."""
    head = await audit.verify(filled)
    assert head.seq == 5
    assert await audit.verify(filled, head) == head
    assert await audit.verify(
        filled, Head(2, (await filled.fetch("SELECT hash FROM audit_log ORDER BY seq"))[1][0])
    )


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE audit_log SET purpose = 'x' WHERE seq = 2", "entry 2 .* changed"),
        ("UPDATE audit_log SET actor = 'x' WHERE seq = 5", "entry 5 .* changed"),
        ("UPDATE audit_log SET at = at + interval '1 s' WHERE seq = 1", "entry 1 .* changed"),
        ("UPDATE audit_log SET case_id = '' WHERE seq = 4", "entry 4 .* changed"),
        ("DELETE FROM audit_log WHERE seq = 3", "entry 3 .* missing"),
        ("DELETE FROM audit_log WHERE seq = 1", "entry 1 .* missing"),
        (
            "UPDATE audit_log SET seq = 99 WHERE seq = 2; UPDATE audit_log SET seq = 2 WHERE seq = 3;"
            "UPDATE audit_log SET seq = 3 WHERE seq = 99",
            "entry 2 .* changed",
        ),
        (
            "DELETE FROM audit_log WHERE seq = 2; UPDATE audit_log SET seq = seq - 1 WHERE seq = 3;"
            "UPDATE audit_log SET seq = seq - 1 WHERE seq = 4; UPDATE audit_log SET seq = seq - 1 WHERE seq = 5",
            "entry 2 .* changed",
        ),
    ],
)
async def test_a_hand_in_the_log_shows(filled, statement, message):
    """A changed, deleted or moved entry breaks the chain, even if the owner took the guard away."""
    await forged(filled, statement)
    with pytest.raises(AuditBroken, match=message):
        await audit.verify(filled)


async def test_a_cut_or_rewritten_end_shows_against_an_anchor(filled):
    """A chain can't show that its end was cut off; a head that was noted elsewhere can."""
    head = await audit.verify(filled)
    await forged(filled, "DELETE FROM audit_log WHERE seq > 3")
    assert (await audit.verify(filled)).seq == 3
    with pytest.raises(AuditBroken, match="cut off"):
        await audit.verify(filled, head)
    for number in range(2):
        await audit.record(filled, "officer", "reveal", CASE, f"another {number}")
    with pytest.raises(AuditBroken, match="written anew"):
        await audit.verify(filled, head)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_log SET purpose = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"],
)
async def test_not_even_the_owner_changes_an_entry(filled, statement):
    """The table refuses changes from everyone, until somebody takes its guard away."""
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await filled.execute(statement)


async def test_a_writer_chooses_neither_time_nor_place(filled):
    """The number, the time and the hashes are the database's own, whatever is inserted."""
    await filled.execute(
        "INSERT INTO audit_log (at, actor, action, case_id, purpose, seq, previous, hash) "
        "VALUES ('2000-01-01', 'x', 'reveal', NULL, 'y', 99, 'z', 'z')"
    )
    row = await filled.fetchrow("SELECT seq, at FROM audit_log ORDER BY seq DESC LIMIT 1")
    assert (row["seq"], row["at"].year > 2020) == (6, True)
    assert (await audit.verify(filled)).seq == 6


async def test_many_at_once_make_one_chain(postgres_dsn, owner):
    """Writers that come at the same time wait for each other; one that gives up leaves no gap."""

    async def write(number):
        session = await asyncpg.connect(postgres_dsn)
        try:
            async with session.transaction():
                await audit.record(session, f"officer {number}", "reveal", CASE, "enquiry")
                if number % 3 == 0:
                    raise InterruptedError
        finally:
            await session.close()

    done = await asyncio.gather(*map(write, range(9)), return_exceptions=True)
    assert sum(isinstance(one, InterruptedError) for one in done) == 3
    assert (await audit.verify(owner)).seq == 6


async def test_entries_from_before_the_chain_are_its_first_links(postgres_dsn):
    """A log that was written before this version is chained as it stands."""
    session = await asyncpg.connect(postgres_dsn)
    try:
        before = [m for m in shipped() if m.name < "0003"]
        await migrate.up(session, before)
        for number in range(3):
            await session.execute(
                "INSERT INTO audit_log (actor, action, case_id, purpose) VALUES ('o', 'reveal', $1, $2)",
                CASE,
                f"before {number}",
            )
        await migrate.up(session)
        await audit.record(session, "officer", "erase", CASE, "after")
        assert (await audit.verify(session)).seq == 4
        assert [r["purpose"] for r in await audit.newest(session, None, CASE, 9)] == [
            "before 0",
            "before 1",
            "before 2",
            "after",
        ]
    finally:
        await session.close()


@pytest.mark.parametrize(("actor", "purpose"), [("", "x"), ("x", " "), (" ", " ")])
async def test_who_and_why_must_be_said(owner, actor, purpose):
    """An act without an actor or a purpose is refused, and not recorded."""
    with pytest.raises(AuditRefused):
        await audit.record(owner, actor, "reveal", CASE, purpose)
    assert (await audit.verify(owner)).seq == 0

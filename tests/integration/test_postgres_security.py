"""A Postgres that asks for TLS and a password from a file: what is right works, what is wrong is said.

The wheel's PostgreSQL is built without TLS, so that Debian's PgBouncer stands before it and speaks it.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.runtime.settings import Database, Settings
from tests.commands import takedown
from tests.pgbouncer import pooling, through
from tests.securekafka import Authority


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The address itself comes from a file."""
    return Settings(data_dir=str(tmp_path / "data"), database=Database(pgbouncer=True))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def address(
    pgbouncer_binary: Path, postgres_tcp_dsn: str, tmp_path: Path, authority: Authority
) -> Iterator[str]:
    """Give one test's database behind a port that takes nothing but TLS."""
    login = urlsplit(postgres_tcp_dsn)
    key, certificate = authority.server_files()
    with pooling(
        pgbouncer_binary,
        tmp_path / "pooler",
        postgres_tcp_dsn,
        {str(login.username): str(login.password)},
        pool_size=2,
        client_tls_sslmode="require",
        client_tls_key_file=key,
        client_tls_cert_file=certificate,
    ) as port:
        yield through(port, postgres_tcp_dsn)


def in_file(tmp_path: Path, address: str, options: str) -> dict[str, str]:
    """Write an address where only its owner reads it, and name the file."""
    path = tmp_path / "database_url"
    path.touch(mode=0o600)
    path.write_text(f"{address}?{options}\n")
    return {"TAKEDOWN_DATABASE_URL_FILE": str(path)}


async def test_tls_with_the_right_authority_works(
    settings: Settings, address: str, authority: Authority, tmp_path: Path
) -> None:
    """The server's certificate is verified against our authority and its name; the password shows nowhere."""
    options = f"sslmode=verify-full&sslrootcert={authority.ca_file}"
    variables = in_file(tmp_path, address, options)
    done = await takedown(settings, "migrate", "up", variables=variables)
    assert done.status == 0, done.err
    again = await takedown(settings, "migrate", "status", variables=variables)
    assert again.status == 0
    shown = await takedown(settings, "check-config", variables=variables)
    doctor = await takedown(settings, "doctor", variables=variables)
    assert "schema current" in doctor.out
    password = str(urlsplit(address).password)
    for said in (done, again, shown, doctor):
        assert password not in said.out + said.err


async def test_a_server_of_a_stranger_gets_no_password(
    settings: Settings, address: str, tmp_path: Path
) -> None:
    """A certificate that our authority did not sign ends in one line with what to do, and status 3."""
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "stranger")
    options = f"sslmode=verify-full&sslrootcert={stranger.ca_file}"
    done = await takedown(
        settings, "migrate", "status", variables=in_file(tmp_path, address, options)
    )
    assert done.status == 3, done.err
    assert "sslrootcert in TAKEDOWN_DATABASE_URL" in done.err
    assert done.err.count("\n") == 1


async def test_without_tls_the_server_is_not_used(
    settings: Settings, address: str, tmp_path: Path
) -> None:
    """The port takes TLS alone, so that the first test can't have passed without."""
    variables = in_file(tmp_path, address, "sslmode=disable")
    done = await takedown(settings, "migrate", "status", variables=variables)
    assert done.status == 3, done.err
    assert done.err.count("\n") == 1


async def test_a_wrong_password_is_said_in_one_line(
    settings: Settings, postgres_tcp_dsn: str, tmp_path: Path
) -> None:
    """Status 3 and which setting to look at; neither the right nor the wrong password, and no address."""
    login = urlsplit(postgres_tcp_dsn)
    wrong = postgres_tcp_dsn.replace(str(login.password), "wrong-secret")
    variables = in_file(tmp_path, wrong, "")
    done = await takedown(settings, "migrate", "status", variables=variables)
    assert done.status == 3
    assert "Postgres refuses the login" in done.err
    assert done.err.count("\n") == 1
    for secret in ("wrong-secret", str(login.password), str(login.port)):
        assert secret not in done.err
    doctor = await takedown(settings, "doctor", variables=variables)
    assert doctor.status == 5
    assert "Postgres refuses the login" in doctor.out
    assert "wrong-secret" not in doctor.out + doctor.err

"""What a running process says of itself on /about: under which settings it runs; and how others ask it.

A command reads its own shell's settings. Only the process that runs can say under which ones the monitor works.
Nothing here is secret: ids of keys and digests, no key and no URL.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import aiohttp
import msgspec
from msgspec import Struct

from schemas.errors import ConfigError
from services.attribution.providermap import ProviderMap
from services.runtime.endpoints import read_endpoints
from services.runtime.keyfile import keys_path, read_keys
from services.runtime.methods import methodology
from services.runtime.settings import Settings

_SECONDS = 5.0


class RoleFacts(Struct, frozen=True, kw_only=True):
    """The settings of one process; `keys`: the ids of the sealing keys that it can open, None: it has no keys."""

    roles: tuple[str, ...]
    methodology: str
    methodology_digest: str
    probing: str | None = None
    provider_map: str | None = None
    keys: tuple[str, ...] | None = None
    active_key: str | None = None


def facts_of(settings: Settings, roles: Sequence[str]) -> RoleFacts:
    """Gather what a process that runs these roles says of itself."""
    method = methodology(settings.methodology)
    keys, active = _keys(settings)
    probe, vantage = settings.probe, settings.vantage
    probes = "prober" in roles
    return RoleFacts(
        roles=tuple(roles),
        methodology=f"{method.id} version {method.version}",
        methodology_digest=method.digest,
        probing=f"{probe.mode}, vantage {vantage.name} ({vantage.role})" if probes else None,
        provider_map=_map_digest(settings) if probes else None,
        keys=keys,
        active_key=active,
    )


def _keys(settings: Settings) -> tuple[tuple[str, ...] | None, str | None]:
    try:
        keys = read_keys(keys_path(settings))
    except ConfigError:
        return None, None  # an exporter has none; who needs them says so itself
    return tuple(sorted(keys.sealing)), keys.active


def _map_digest(settings: Settings) -> str | None:
    if settings.provider_map is None:
        return None
    try:
        return ProviderMap.load(Path(settings.provider_map)).digest
    except ConfigError:
        return None


def addresses(settings: Settings, more: Iterable[str] = ()) -> dict[str, str]:
    """Give `host:port` of each process that is known here: of `takedown up`, and those that are named."""
    endpoints = read_endpoints(settings.data_path)
    return {**(endpoints.http if endpoints else {}), **{address: address for address in more}}


async def ask_all(places: Mapping[str, str]) -> dict[str, RoleFacts | None]:
    """Ask each process for its facts; None where it does not answer."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session:
        answers = await asyncio.gather(*(_ask(session, places[name]) for name in places))
    return dict(zip(places, answers, strict=True))


async def _ask(session: aiohttp.ClientSession, address: str) -> RoleFacts | None:
    try:
        async with session.get(f"http://{address}/about") as answer:
            body = await answer.read()
            return msgspec.json.decode(body, type=RoleFacts) if answer.status == 200 else None
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError):
        return None


def without_key(facts: Mapping[str, RoleFacts | None], key_id: str) -> list[str]:
    """Name the processes that have keys and do not know this one."""
    return [
        name
        for name, answer in facts.items()
        if answer is not None and answer.keys is not None and key_id not in answer.keys
    ]

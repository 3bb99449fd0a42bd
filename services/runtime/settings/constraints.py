"""The rules that join settings; each yields what is wrong and what to do."""

import ipaddress
import re
from collections.abc import Callable, Iterator
from os.path import isdir, isfile
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.errors import BadUrl, ConfigError
from schemas.methodology import shipped
from schemas.urls import canonical
from services.notices.channel_capacity import capacity
from services.notices.escalation_ladder import ladder
from services.notices.tokens import is_sender
from services.runtime.settings.model import Settings

# Below it stand up to 64 digits and dots of an address.
_REACHABLE = re.compile(r"[^\s@]@[^\s@]+\.[^\s@.]|https?://[^\s/]", re.IGNORECASE)
_ZONE = re.compile(r"(?=.{1,120}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+\.?", re.IGNORECASE)
Rule = Callable[[Settings], Iterator[str]]


def config_error(*problems: str) -> ConfigError:
    """Make the error of wrong settings: all of them at once, one a line where there are several."""
    if len(problems) == 1:
        return ConfigError(f"settings: {problems[0]}")
    return ConfigError("\n  ".join([f"{len(problems)} settings are wrong:", *problems]))


def files_exist(settings: Settings) -> Iterator[str]:
    """Name every file that a setting points to and that is not there."""
    named = {
        "TAKEDOWN_KEYS_FILE": settings.keys_file,
        "TAKEDOWN_SIGNING_KEY_FILE": settings.signing_key_file,
        "TAKEDOWN_PROVIDER_MAP": settings.provider_map,
        "TAKEDOWN_ASN_DATABASE": settings.asn_database,
        "TAKEDOWN_KAFKA_SSL_CAFILE": settings.kafka.ssl_cafile,
        "TAKEDOWN_KAFKA_SSL_CERTFILE": settings.kafka.ssl_certfile,
        "TAKEDOWN_KAFKA_SSL_KEY_FILE": settings.kafka.ssl_key_file,
        "TAKEDOWN_ATTRIBUTION_PLACEHOLDERS": settings.attribution.placeholders,
        "TAKEDOWN_INTAKE_CERTIFICATE_FILE": settings.intake.certificate_file,
        "TAKEDOWN_INTAKE_KEY_FILE": settings.intake.key_file,
    }
    for variable, path in named.items():
        # A name that no system takes is no file either: `Path` raises for one that is too long.
        if path is not None and not isfile(path):
            yield f"{variable} names {path}, which is not a file"


def folders_exist(settings: Settings) -> Iterator[str]:
    """Name every folder that a setting points to and that is not there."""
    named = {
        "TAKEDOWN_KAFKA_JARS_DIR": settings.kafka.jars_dir,
        "TAKEDOWN_KAFKA_HOME": settings.kafka.home,
        "TAKEDOWN_ATTRIBUTION_RDAP_BOOTSTRAP": settings.attribution.rdap_bootstrap,
    }
    for variable, path in named.items():
        if path is not None and not isdir(path):
            yield f"{variable} names {path}, which is not a directory"


def database_url_is_postgres(settings: Settings) -> Iterator[str]:
    """Refuse an address that is not one of PostgreSQL; the address itself is never repeated."""
    url = settings.database.url
    if url is not None and not url.startswith(("postgresql://", "postgres://")):
        yield "TAKEDOWN_DATABASE_URL must begin with postgresql://"


def bootstrap_servers_have_ports(settings: Settings) -> Iterator[str]:
    """Refuse a broker without a port."""
    for server in (settings.kafka.bootstrap_servers or "").split(","):
        name, _, port = server.strip().rpartition(":")
        if server and not (name and port.isdigit() and 0 < int(port) < 65536):
            yield "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS needs host:port,host:port,..."
            return


def sasl_is_whole(settings: Settings) -> Iterator[str]:
    """Require a complete login where the protocol is SASL, and none where it is not."""
    kafka = settings.kafka
    login = (kafka.sasl_mechanism, kafka.sasl_username, kafka.sasl_password)
    if kafka.security_protocol.startswith("SASL"):
        if None in login:
            yield (
                f"TAKEDOWN_KAFKA_SECURITY_PROTOCOL={kafka.security_protocol} needs "
                "TAKEDOWN_KAFKA_SASL_MECHANISM, _SASL_USERNAME and _SASL_PASSWORD"
            )
    elif any(login):
        yield (
            "TAKEDOWN_KAFKA_SASL_* is set but TAKEDOWN_KAFKA_SECURITY_PROTOCOL is "
            f"{kafka.security_protocol}; set it to SASL_SSL, or remove the login"
        )


def tls_has_a_use(settings: Settings) -> Iterator[str]:
    """Refuse certificates that a plain connection would silently not use."""
    kafka = settings.kafka
    named = {
        "TAKEDOWN_KAFKA_SSL_CAFILE": kafka.ssl_cafile,
        "TAKEDOWN_KAFKA_SSL_CERTFILE": kafka.ssl_certfile,
    }
    for variable, path in named.items():
        if path is not None and not kafka.security_protocol.endswith("SSL"):
            yield f"{variable} is set but the protocol has no TLS; set SSL or SASL_SSL"


def a_key_has_its_certificate(settings: Settings) -> Iterator[str]:
    """Refuse a key, or a key's password, that would silently not be used."""
    kafka = settings.kafka
    if kafka.ssl_certfile is None and (kafka.ssl_key_file or kafka.ssl_key_password):
        yield (
            "TAKEDOWN_KAFKA_SSL_KEY_* is set without the certificate; set TAKEDOWN_KAFKA_SSL_CERTFILE"
        )


def intake_tls_is_whole(settings: Settings) -> Iterator[str]:
    """Refuse a certificate without its key, and a key without its certificate."""
    section = settings.intake
    if (section.certificate_file is None) != (section.key_file is None):
        yield "TAKEDOWN_INTAKE_CERTIFICATE_FILE and TAKEDOWN_INTAKE_KEY_FILE are set together or not at all"


def public_probing_is_answered_for(settings: Settings) -> Iterator[str]:
    """Refuse to look at public addresses until it is known who does it and by what right (G6)."""
    probe = settings.probe
    texts = {
        "TAKEDOWN_PROBE_OPERATOR": probe.operator,
        "TAKEDOWN_PROBE_CONTACT": probe.contact,
        "TAKEDOWN_PROBE_LEGAL_BASIS": probe.legal_basis,
    }
    missing = [variable for variable, value in texts.items() if not (value or "").strip()]
    if probe.mode == "public" and missing:
        yield (
            f"TAKEDOWN_PROBE_MODE=public refuses to start without {', '.join(missing)}: "
            "name who probes, how to reach them and the legal basis"
        )


def the_contact_can_be_reached(settings: Settings) -> Iterator[str]:
    """Refuse a contact that no operator of a host could write to."""
    contact = settings.probe.contact
    if contact and contact.strip() and not _REACHABLE.search(contact):
        yield (
            "TAKEDOWN_PROBE_CONTACT has no e-mail address and no web page, such as "
            "abuse@hotline.example or https://hotline.example/abuse"
        )


def nameservers_are_addresses(settings: Settings) -> Iterator[str]:
    """Refuse a resolver that would itself have to be resolved."""
    for server in settings.probe.nameservers:
        try:
            split_nameserver(server)
        except ValueError:
            yield (
                f"TAKEDOWN_PROBE_NAMESERVERS: {server!r} is no `address` or `address:port`, "
                "with or without `operator@` before it"
            )


def resolvers_of_sources_are_addresses(settings: Settings) -> Iterator[str]:
    """Refuse a resolver of sources that would itself have to be resolved."""
    for server in settings.attribution.nameservers:
        try:
            split_nameserver(server)
        except ValueError:
            yield f"TAKEDOWN_ATTRIBUTION_NAMESERVERS: {server!r} is no `address` or `address:port`"


def zones_are_names(settings: Settings) -> Iterator[str]:
    """Refuse a zone that no name can stand below."""
    zones = {
        "TAKEDOWN_ATTRIBUTION_CYMRU_ZONE": settings.attribution.cymru_zone,
        "TAKEDOWN_ATTRIBUTION_ABUSIX_ZONE": settings.attribution.abusix_zone,
    }
    for variable, zone in zones.items():
        if zone is not None and not _ZONE.fullmatch(zone):
            yield f"{variable}: {zone!r} is no DNS zone; write it as asn.example.net"


def operator_of(nameserver: str) -> str:
    """Name who runs a resolver; empty where the setting does not say."""
    return nameserver.rpartition("@")[0]


def names_of_one_operator(settings: "Settings") -> Iterator[str]:
    """Advise to name the resolvers of a second operator, before a removal hangs on what one of them says."""
    operators = {operator_of(server) for server in settings.probe.nameservers}
    if settings.probe.mode == "public" and len(operators) < 2:
        yield (
            "that a name does not exist is believed of the resolvers of one operator alone, and may be its filter; "
            "set TAKEDOWN_PROBE_NAMESERVERS to those of two, as in own@192.0.2.53,other@198.51.100.53"
        )


def split_nameserver(text: str) -> tuple[str, int]:
    """Read `address`, `address:port` or `[address]:port`, without `operator@`; raises `ValueError`."""
    text = text.rpartition("@")[2]
    try:
        return str(ipaddress.ip_address(text)), 53
    except ValueError:
        parts = urlsplit(f"//{text}")
        return str(ipaddress.ip_address(parts.hostname or "")), parts.port or 53


def simulation_has_a_resolver(settings: Settings) -> Iterator[str]:
    """Refuse a simulation that would ask the real name servers, or those of another machine."""
    if settings.probe.mode != "simulated":
        return
    try:
        addresses = [split_nameserver(server)[0] for server in settings.probe.nameservers]
    except ValueError:
        return  # another rule's to say
    if not addresses or not all(ipaddress.ip_address(a).is_loopback for a in addresses):
        yield (
            "TAKEDOWN_PROBE_MODE=simulated needs TAKEDOWN_PROBE_NAMESERVERS on loopback: the name "
            "server that `python -m services.simulation.internet` prints when it serves"
        )


def ports_can_be_asked(settings: Settings) -> Iterator[str]:
    """Refuse port 0."""
    if 0 in settings.probe.ports:
        yield "TAKEDOWN_PROBE_PORTS needs ports of 1 to 65535"


def denied_networks_are_networks(settings: Settings) -> Iterator[str]:
    """Refuse a network that would deny nothing."""
    for text in settings.probe.denied_networks:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            yield f"TAKEDOWN_PROBE_DENIED_NETWORKS: {text!r} is not a network such as 192.0.2.0/24"


def egress_is_possible(settings: Settings) -> Iterator[str]:
    """Refuse a way out that leads nowhere, or out of a simulation; the proxy is never repeated."""
    probe = settings.probe
    if probe.bind_address is not None:
        if probe.egress_proxy is not None:
            yield "TAKEDOWN_PROBE_BIND_ADDRESS and _EGRESS_PROXY are both set; keep one"
        if not _is_address(probe.bind_address):
            yield "TAKEDOWN_PROBE_BIND_ADDRESS must be an address of this machine"
    if probe.egress_proxy is None:
        return
    # Only who has a proxy is to wait for what asks one.
    from services.probing.http.egress import proxy_of  # noqa: PLC0415

    try:
        proxy = proxy_of(probe.egress_proxy)
    except ConfigError as error:
        yield f"TAKEDOWN_PROBE_EGRESS_PROXY: {error}"
        return
    if probe.mode == "simulated" and proxy.host not in ("127.0.0.1", "::1", "localhost"):
        yield "TAKEDOWN_PROBE_EGRESS_PROXY: a simulation must not leave this machine; use 127.0.0.1"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def canary_is_a_url(settings: Settings) -> Iterator[str]:
    """Refuse a canary that can't be looked at."""
    if settings.probe.canary_url is None:
        return
    try:
        url = canonical(settings.probe.canary_url)
    except BadUrl as error:
        yield f"TAKEDOWN_CANARY_URL: {error}"
        return
    if url.not_measurable is not None:
        yield "TAKEDOWN_CANARY_URL must be a plain http or https URL without credentials"


def methodology_is_known(settings: Settings) -> Iterator[str]:
    """Refuse a methodology that is neither shipped nor a file."""
    name = settings.methodology
    if name not in shipped() and not isfile(name):
        yield (
            f"TAKEDOWN_METHODOLOGY={name} is neither a shipped methodology "
            f"({', '.join(sorted(shipped()))}) nor a file"
        )


def time_zone_is_there(settings: Settings) -> Iterator[str]:
    """Refuse a name that the system's time zones don't hold."""
    if settings.time_zone is None:
        return
    try:
        ZoneInfo(settings.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield "TAKEDOWN_TIME_ZONE must be a name of the IANA time zones, as in Europe/Amsterdam"


def notice_channel_is_readable(settings: Settings) -> Iterator[str]:
    """Refuse an address, a capacity or a ladder that can't be read."""
    section = settings.notices
    if section.address is not None and not is_sender(section.address):
        yield "TAKEDOWN_NOTICES_ADDRESS must be an address without `+`, as in notices@hotline.example"
    for text in section.capacities:
        try:
            capacity(text)
        except ConfigError as error:
            yield f"TAKEDOWN_NOTICES_CAPACITIES: {error}"
    try:
        ladder(section.ladder)
    except ConfigError as error:
        yield f"TAKEDOWN_NOTICES_LADDER: {error}"


RULES: tuple[Rule, ...] = (
    files_exist,
    folders_exist,
    database_url_is_postgres,
    bootstrap_servers_have_ports,
    sasl_is_whole,
    tls_has_a_use,
    intake_tls_is_whole,
    a_key_has_its_certificate,
    public_probing_is_answered_for,
    the_contact_can_be_reached,
    nameservers_are_addresses,
    resolvers_of_sources_are_addresses,
    zones_are_names,
    simulation_has_a_resolver,
    ports_can_be_asked,
    denied_networks_are_networks,
    egress_is_possible,
    canary_is_a_url,
    methodology_is_known,
    time_zone_is_there,
    notice_channel_is_readable,
)

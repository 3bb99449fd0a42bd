"""Every setting: type, default and description. No other place states a default."""

import os
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from schemas.topics import DEFAULT_PARTITIONS
from services.runtime.settings.attribution_section import AttributionSection
from services.runtime.settings.doctor_section import DoctorSection
from services.runtime.settings.intake_section import IntakeSection
from services.runtime.settings.notices_section import NoticesSection
from services.runtime.settings.section_base import (
    Bytes,
    Count,
    Port,
    Seconds,
    Section,
    about,
)

__all__ = ["Section", "Settings"]


def _home(variable: str, fallback: str) -> str:
    return str(Path(os.environ.get(variable) or Path.home() / fallback) / "takedown-monitor")


class Database(Section, frozen=True, kw_only=True):
    """PostgreSQL, which holds the ledger."""

    url: Annotated[
        str | None,
        about(
            "Connection URL of your own PostgreSQL; without it `takedown up` starts one. "
            "`postgresql://a:5432,b:5432/db?target_session_attrs=read-write` names several servers, of which "
            "the one that takes writes is used.",
            secret=True,
        ),
    ] = None
    pgbouncer: Annotated[
        bool,
        about(
            "Connect through PgBouncer in transaction mode: no prepared statements, no SET ROLE."
        ),
    ] = False
    set_roles: Annotated[
        bool,
        about(
            "Switch to the roles takedown_ledger, _exporter and _reader after login; off where they do not exist."
        ),
    ] = True
    pool_max_size: Annotated[Count, about("Maximum connections per process.")] = 4


class Kafka(Section, frozen=True, kw_only=True):
    """Kafka, which holds the record of all evidence."""

    bootstrap_servers: Annotated[
        str | None,
        about("Brokers of your own Kafka, `host:port,...`; without it `takedown up` starts one."),
    ] = None
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        about("Protocol used to connect to the brokers."),
    ] = "PLAINTEXT"
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None, about("SASL mechanism.")
    ] = None
    sasl_username: Annotated[str | None, about("SASL user name.")] = None
    sasl_password: Annotated[str | None, about("SASL password.", secret=True)] = None
    ssl_cafile: Annotated[
        str | None,
        about(
            "CA certificates (PEM) that the brokers are verified against; default: those of the system."
        ),
    ] = None
    ssl_certfile: Annotated[
        str | None,
        about("Client certificate (PEM, with its chain) that the brokers ask for."),
    ] = None
    ssl_key_file: Annotated[
        str | None,
        about("Private key (PEM) of the client certificate; default: it stands in the same file."),
    ] = None
    ssl_key_password: Annotated[
        str | None, about("Password of that key, where it is encrypted.", secret=True)
    ] = None
    jars_dir: Annotated[
        str | None, about("Directory that holds Kafka's jars, for machines without a network.")
    ] = None
    home: Annotated[str | None, about("Directory of an installed Kafka whose `libs/` is used.")] = (
        None
    )


class Topics(Section, frozen=True, kw_only=True):
    """Kafka topics."""

    partitions: Annotated[Count, about("Partitions per topic; cannot be changed later.")] = (
        DEFAULT_PARTITIONS
    )
    replication_factor: Annotated[
        Count, about("Replication factor of topics that the program creates.")
    ] = 1


class Probe(Section, frozen=True, kw_only=True):
    """The prober: mode, identity, limits."""

    mode: Annotated[
        Literal["off", "simulated", "public"],
        about(
            "`off`; `simulated`: probes loopback only and needs name servers there; `public`: probes "
            "public addresses and needs operator, contact and legal basis."
        ),
    ] = "off"
    operator: Annotated[str | None, about("Organisation responsible for the probing.")] = None
    contact: Annotated[
        str | None, about("E-mail address or web page for operators of probed hosts.")
    ] = None
    legal_basis: Annotated[str | None, about("Law or agreement that the probing is based on.")] = (
        None
    )
    nameservers: Annotated[
        tuple[str, ...],
        about(
            "DNS resolvers, `address` or `address:port`; empty: those of the system. `operator@` before each says who "
            "runs it: a name that does not exist has to be so for two operators. They must pass on SOA records."
        ),
    ] = ()
    ports: Annotated[
        tuple[Port, ...],
        about("Ports that may be probed; empty: 80 and 443, in simulated mode all."),
    ] = ()
    denied_networks: Annotated[
        tuple[str, ...],
        about("Networks that are never probed, for example your own: 192.0.2.0/24."),
    ] = ()
    processes: Annotated[
        Count,
        about(
            "Prober processes of this vantage, started by `takedown up`. They share partitions and all "
            "rate limits equally; each may have at least one look at an address."
        ),
    ] = 1
    concurrency: Annotated[Count, about("Maximum concurrent looks per process.")] = 200
    looks_per_second: Annotated[
        Seconds,
        about(
            "Maximum looks started per second by all processes together; also limits catching up after an outage."
        ),
    ] = 1000.0
    timeout_seconds: Annotated[
        Seconds,
        about(
            "Timeout of one visit. A look makes a second one where a cached DNS answer said that the URL is gone."
        ),
    ] = 20.0
    connect_seconds: Annotated[Seconds, about("Timeout of one connection attempt.")] = 5.0
    resolution_seconds: Annotated[
        Seconds, about("Resolution of the scheduler: a look may start this much late.")
    ] = 1.0
    agent: Annotated[
        Literal["identified", "neutral"],
        about(
            "User agent: `identified` names program, operator and contact; `neutral` detects cloaking (G8)."
        ),
    ] = "identified"
    user_agent: Annotated[
        str | None, about("User-Agent header that replaces the one chosen by `agent`.")
    ] = None
    address_concurrency: Annotated[Count, about("Maximum concurrent looks per address.")] = 2
    address_per_second: Annotated[Seconds, about("Maximum requests per second per address.")] = 2.0
    address_burst: Annotated[Count, about("Burst size per address, in requests.")] = 4
    network_concurrency: Annotated[
        Count, about("Maximum concurrent looks per /24 or /48 network.")
    ] = 8
    network_per_second: Annotated[
        Seconds, about("Maximum requests per second per /24 or /48 network.")
    ] = 8.0
    network_burst: Annotated[Count, about("Burst size per /24 or /48 network, in requests.")] = 16
    max_wait_seconds: Annotated[
        Seconds,
        about(
            "Maximum time a look waits for rate limits; then it is postponed, and missed after five minutes."
        ),
    ] = 30.0
    backoff_ceiling_seconds: Annotated[
        Seconds,
        about("Maximum backoff at a host that answers 429 or 503 without `Retry-After`."),
    ] = 900.0
    requests_per_second: Annotated[
        Seconds, about("Maximum requests per second to all addresses, all processes together.")
    ] = 1000.0
    looks_per_day: Annotated[
        Count,
        about("Maximum looks per URL and day in one process; applies in `public` mode only."),
    ] = 200
    egress_proxy: Annotated[
        str | None,
        about(
            "Proxy for all requests: `http://host:port` (CONNECT) or `socks5://user:password@host:port`.",
            secret=True,
        ),
    ] = None
    bind_address: Annotated[
        str | None,
        about("Local source address of requests; only its address family is then used."),
    ] = None
    canary_url: Annotated[
        str | None,
        about("URL of a page of your own that is always online; shows that the prober can see."),
    ] = None
    canary_interval_seconds: Annotated[Seconds, about("Interval between looks at the canary.")] = (
        60.0
    )


class VantageSection(Section, frozen=True, kw_only=True):
    """The vantage: the place this prober looks from."""

    name: Annotated[
        Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_.:/-]{0,119}$")],
        about("Name of the vantage (country, network, egress), for example `nl-office`."),
    ] = "local"
    role: Annotated[
        Literal["first", "second"],
        about("`second` looks only where a removal or a block has to be confirmed from elsewhere."),
    ] = "first"


class Http(Section, frozen=True, kw_only=True):
    """HTTP server of each process: /metrics, /healthz and /readyz."""

    host: Annotated[str, about("Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        Port,
        about(
            "First port; `takedown up` gives every process one from there on. 0: any free ports."
        ),
    ] = 9464


class Ledger(Section, frozen=True, kw_only=True):
    """The ledger consumer and its relay."""

    batch_records: Annotated[Count, about("Maximum records per two transactions.")] = 16_000
    fetch_bytes: Annotated[Bytes, about("Maximum bytes per fetch.")] = 8_388_608
    partition_fetch_bytes: Annotated[Bytes, about("Maximum bytes per fetch and partition.")] = (
        1_048_576
    )
    stall_seconds: Annotated[
        Seconds, about("A consumer that has lag and makes no progress for this long is rebuilt.")
    ] = 120.0
    flood_brake: Annotated[
        bool, about("Stop when too many records are unusable; off: they all become dead letters.")
    ] = True
    flood_consecutive_records: Annotated[
        Count, about("Number of consecutive unusable records that stops the ledger.")
    ] = 100
    flood_window_records: Annotated[
        Count, about("Number of most recent records that `flood_ratio` refers to.")
    ] = 200
    flood_ratio: Annotated[
        Annotated[float, Meta(gt=0, le=1)],
        about("Share of unusable records in the window above which the ledger stops."),
    ] = 0.5
    accept_gaps: Annotated[
        bool,
        about("Continue although the broker has deleted records that the ledger had not read."),
    ] = False
    relay_batch_records: Annotated[Count, about("Maximum outbox rows published per batch.")] = 1000


class RetentionSection(Section, frozen=True, kw_only=True):
    """Retention of URLs after the watch of their case has ended; the role `retention`."""

    url_days: Annotated[
        Annotated[int, Meta(ge=0, le=36_500)],
        about(
            "Days from the end of a watch to the destruction of its URL; records leave the broker then; 0: never."
        ),
    ] = 90
    archives: Annotated[
        str,
        about(
            "Directory of the archives without URLs that a replay reads; default: `archives` in the data directory."
        ),
    ] = ""
    interval_seconds: Annotated[Seconds, about("Interval between retention rounds.")] = 3600.0


class ExporterSection(Section, frozen=True, kw_only=True):
    """Metrics of the ledger."""

    top_providers: Annotated[
        Annotated[int, Meta(ge=0, le=200)],
        about(
            "Number of providers, those with most spells, that get their own label; all others are `other`."
        ),
    ] = 20
    watch_providers: Annotated[
        tuple[str, ...], about("Providers that always get their own label.")
    ] = ()
    interval_seconds: Annotated[
        Seconds, about("Interval between readings of the figures from Postgres.")
    ] = 15.0
    public_status: Annotated[
        bool, about("Suppress small counts at `/status`, to publish it; `/metrics` stays exact.")
    ] = False


class Log(Section, frozen=True, kw_only=True):
    """Logging to standard error."""

    format: Annotated[
        Literal["json", "console"],
        about("Format of log lines: `json` for machines, `console` for people."),
    ] = "json"
    level: Annotated[
        Literal["debug", "info", "warning", "error"], about("Minimum level that is logged.")
    ] = "info"


class Settings(Section, frozen=True, kw_only=True):
    """All settings of one process."""

    data_dir: Annotated[
        str,
        about(
            "Data directory: keys, logs, embedded servers; default: `~/.local/share/takedown-monitor`."
        ),
    ] = ""
    cache_dir: Annotated[
        str, about("Cache directory for downloads; default: `~/.cache/takedown-monitor`.")
    ] = ""
    keys_file: Annotated[
        str | None,
        about("Key file (`takedown keys new`); default: `keys.toml` in the data directory."),
    ] = None
    signing_key_file: Annotated[
        str | None,
        about(
            "Key that signs evidence packs (`takedown keys signing`); default: `signing.pem` in the data directory."
        ),
    ] = None
    methodology: Annotated[
        str, about("Id of a shipped methodology (`takedown method list`), or path of a TOML file.")
    ] = "nl-24h"
    time_zone: Annotated[
        str | None,
        about(
            "Time zone (IANA name) of the instants that people read: status, report, case list and show. CSV, JSON and "
            "metrics stay in UTC. Default: that of the methodology."
        ),
    ] = None
    provider_map: Annotated[
        str | None, about("TOML or CSV file that maps addresses to providers.")
    ] = None
    asn_database: Annotated[
        str | None,
        about("MaxMind DB (.mmdb) of AS numbers, for addresses of which the map says nothing."),
    ] = None
    stop_seconds: Annotated[
        Seconds, about("Maximum time to finish work in hand after SIGTERM.")
    ] = 20.0
    database: Database = Database()
    kafka: Kafka = Kafka()
    topics: Topics = Topics()
    probe: Probe = Probe()
    vantage: VantageSection = VantageSection()
    http: Http = Http()
    ledger: Ledger = Ledger()
    exporter: ExporterSection = ExporterSection()
    retention: RetentionSection = RetentionSection()
    notices: NoticesSection = NoticesSection()
    intake: IntakeSection = IntakeSection()
    attribution: AttributionSection = AttributionSection()
    doctor: DoctorSection = DoctorSection()
    log: Log = Log()

    @property
    def data_path(self) -> Path:
        """The data directory, absolute."""
        return Path(self.data_dir or _home("XDG_DATA_HOME", ".local/share")).expanduser().absolute()

    @property
    def cache_path(self) -> Path:
        """The cache, absolute."""
        return Path(self.cache_dir or _home("XDG_CACHE_HOME", ".cache")).expanduser().absolute()

    @property
    def archives_path(self) -> Path:
        """The directory of retention's archives, absolute."""
        folder = self.retention.archives
        return Path(folder).expanduser().absolute() if folder else self.data_path / "archives"

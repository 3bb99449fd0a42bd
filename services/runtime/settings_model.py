"""What can be set: types, defaults and one sentence on each; read by services.runtime.settings."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Bytes = Annotated[int, Meta(ge=1)]


def _about(text: str, *, secret: bool = False) -> Meta:
    return Meta(description=text, extra={"secret": secret})


def _home(variable: str, fallback: str) -> str:
    return str(Path(os.environ.get(variable) or Path.home() / fallback) / "takedown-monitor")


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a group of settings; secrets never print."""

    def __repr__(self) -> str:
        names = type(self).__struct_fields__
        shown = (f"{n}={'***' if self._hides(n) else repr(getattr(self, n))}" for n in names)
        return f"{type(self).__name__}({', '.join(shown)})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        names = type(self).__struct_fields__
        return [(n, "***" if self._hides(n) else getattr(self, n)) for n in names]

    def _hides(self, name: str) -> bool:
        return is_secret(type(self), name) and getattr(self, name) is not None


def is_secret(struct: type[Section], name: str) -> bool:
    """Tell whether a field holds a secret."""
    field = next(f for f in msgspec.structs.fields(struct) if f.name == name)
    kind = msgspec.inspect.type_info(field.type)
    return bool(isinstance(kind, msgspec.inspect.Metadata) and (kind.extra or {}).get("secret"))


class Database(Section, frozen=True, kw_only=True):
    """Postgres, the ledger derived from the evidence."""

    url: Annotated[
        str | None,
        _about(
            "Address of a PostgreSQL of your own; without it `up` starts one. "
            "`postgresql://a:5432,b:5432/db?target_session_attrs=read-write` names several servers, of which "
            "the one that takes writes is used.",
            secret=True,
        ),
    ] = None
    pgbouncer: Annotated[
        bool, _about("A pooler in transaction mode lies between: prepared statements are not kept.")
    ] = False
    set_roles: Annotated[
        bool,
        _about("Act as takedown_ledger, _exporter, _reader; off where they could not be created."),
    ] = True
    pool_max_size: Annotated[Count, _about("Most connections of one process.")] = 4


class Kafka(Section, frozen=True, kw_only=True):
    """Kafka, the record of all evidence."""

    bootstrap_servers: Annotated[
        str | None, _about("`host:port,...` of a Kafka of your own; without it `up` starts one.")
    ] = None
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        _about("How to talk to the brokers."),
    ] = "PLAINTEXT"
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None, _about("How to log in.")
    ] = None
    sasl_username: Annotated[str | None, _about("Who logs in.")] = None
    sasl_password: Annotated[str | None, _about("The password of the login.", secret=True)] = None
    ssl_cafile: Annotated[
        str | None, _about("Authorities (PEM) that vouch for the brokers; else the system's.")
    ] = None
    jars_dir: Annotated[
        str | None, _about("Folder with Kafka's jars, for a machine without a network.")
    ] = None
    home: Annotated[str | None, _about("An installed Kafka, whose `libs/` is used.")] = None


class Topics(Section, frozen=True, kw_only=True):
    """The topics."""

    partitions: Annotated[Count, _about("Partitions of every topic; not to be changed later.")] = 12
    replication_factor: Annotated[Count, _about("Copies that `topics create` asks for.")] = 1


class Probe(Section, frozen=True, kw_only=True):
    """The prober: whether it looks at all, as whom, how hard."""

    mode: Annotated[
        Literal["off", "simulated", "public"],
        _about(
            "`simulated` looks at loopback alone and needs nameservers there; `public` needs "
            "operator, contact, legal basis."
        ),
    ] = "off"
    operator: Annotated[str | None, _about("Organisation that answers for the probing.")] = None
    contact: Annotated[str | None, _about("Mail or page for whoever sees our requests.")] = None
    legal_basis: Annotated[str | None, _about("Law or memorandum that allows the probing.")] = None
    nameservers: Annotated[
        tuple[str, ...], _about("Your resolvers, `address` or `address:port`; empty: the system's.")
    ] = ()
    ports: Annotated[
        tuple[Port, ...], _about("The only ports asked; empty: 80, 443, and all where simulated.")
    ] = ()
    denied_networks: Annotated[
        tuple[str, ...], _about("Networks never asked, such as your own: 192.0.2.0/24.")
    ] = ()
    processes: Annotated[
        Count,
        _about(
            "Prober processes of this vantage; `up` starts them. They share the partitions; each takes "
            "an equal part of every rate, and of the places at an address, of these at least one."
        ),
    ] = 1
    concurrency: Annotated[Count, _about("Most looks in flight in one process.")] = 200
    looks_per_second: Annotated[
        Seconds,
        _about("Most looks begun in a second, by all processes together, also after a pause."),
    ] = 1000.0
    timeout_seconds: Annotated[
        Seconds,
        _about(
            "How long one visit may take; a look that finds it gone by a remembered DNS answer makes two."
        ),
    ] = 20.0
    connect_seconds: Annotated[Seconds, _about("How long one connection may take.")] = 5.0
    resolution_seconds: Annotated[
        Seconds, _about("A look may be this late; compressed time needs it smaller.")
    ] = 1.0
    agent: Annotated[
        Literal["identified", "neutral"],
        _about("Whether requests say who we are; `neutral` finds those that cloak (G8)."),
    ] = "identified"
    user_agent: Annotated[
        str | None, _about("What requests say; else the program, the operator and the contact.")
    ] = None
    address_concurrency: Annotated[Count, _about("Most looks in flight at one address.")] = 2
    address_per_second: Annotated[Seconds, _about("Most requests per second to one address.")] = 2.0
    address_burst: Annotated[Count, _about("Requests to one address that may come at once.")] = 4
    network_concurrency: Annotated[Count, _about("Most looks in flight in one /24 or /48.")] = 8
    network_per_second: Annotated[
        Seconds, _about("Most requests per second to one /24 or /48.")
    ] = 8.0
    network_burst: Annotated[Count, _about("Requests to one /24 or /48 that may come at once.")] = (
        16
    )
    max_wait_seconds: Annotated[
        Seconds,
        _about(
            "A look that politeness holds up longer is put off, for five minutes at most; then it is missed."
        ),
    ] = 30.0
    backoff_ceiling_seconds: Annotated[
        Seconds,
        _about("Longest pause at a host after 429s and 503s in a row without `Retry-After`."),
    ] = 900.0
    requests_per_second: Annotated[
        Seconds, _about("Most requests per second to all addresses, by all processes together.")
    ] = 1000.0
    looks_per_day: Annotated[
        Count, _about("Most looks at one URL in a day, from one process; only where `public`.")
    ] = 200
    egress_proxy: Annotated[
        str | None,
        _about(
            "Requests leave by `http://host:port` (CONNECT) or `socks5://user:password@host:port`.",
            secret=True,
        ),
    ] = None
    bind_address: Annotated[
        str | None, _about("Address of this machine that requests leave from; of its family alone.")
    ] = None
    canary_url: Annotated[
        str | None, _about("A page of your own that is always online: proof that the prober sees.")
    ] = None
    canary_interval_seconds: Annotated[Seconds, _about("How often the canary is looked at.")] = 60.0


class Vantage(Section, frozen=True, kw_only=True):
    """The place that this prober looks from."""

    name: Annotated[
        Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_.:/-]{0,119}$")],
        _about("Name of the vantage: country, network, egress, such as `nl-office`."),
    ] = "local"
    role: Annotated[
        Literal["first", "second"], _about("`second` looks only to confirm a removal.")
    ] = "first"


class Http(Section, frozen=True, kw_only=True):
    """/metrics, /healthz and /readyz of each process."""

    host: Annotated[str, _about("Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        Port, _about("First port; `up` gives each process the next one. 0: any that are free.")
    ] = 9464


class Ledger(Section, frozen=True, kw_only=True):
    """The ledger consumer and its relay."""

    batch_records: Annotated[Count, _about("Most records in one transaction.")] = 2000
    fetch_bytes: Annotated[Bytes, _about("Bytes fetched ahead at once.")] = 8_388_608
    partition_fetch_bytes: Annotated[Bytes, _about("Of these, bytes of one partition.")] = 1_048_576
    stall_seconds: Annotated[
        Seconds, _about("A consumer with lag but no progress for this long is rebuilt.")
    ] = 120.0
    flood_brake: Annotated[
        bool, _about("Stop the line at a flood of dead letters; off lets it pass.")
    ] = True
    flood_consecutive_records: Annotated[
        Count, _about("So many unusable records in a row are a flood.")
    ] = 100
    flood_window_records: Annotated[Count, _about("The last records that the ratio is of.")] = 200
    flood_ratio: Annotated[
        Annotated[float, Meta(gt=0, le=1)], _about("More than this part of the window is a flood.")
    ] = 0.5
    accept_gaps: Annotated[
        bool, _about("Go on where the broker has lost records that the ledger never saw.")
    ] = False
    relay_batch_records: Annotated[Count, _about("Most outbox rows published at once.")] = 1000


class Retention(Section, frozen=True, kw_only=True):
    """How long URLs are kept after the watch of their case; the role `retention`."""

    url_days: Annotated[
        Annotated[int, Meta(ge=0, le=36_500)],
        _about(
            "Days after the end of a watch until its URL is destroyed, and until records leave the broker; 0: never."
        ),
    ] = 90
    archives: Annotated[
        str,
        _about(
            "Folder of the archives without URLs, which a replay reads; `archives` in the data dir."
        ),
    ] = ""
    interval_seconds: Annotated[Seconds, _about("How often it is looked what is due.")] = 3600.0


class Exporter(Section, frozen=True, kw_only=True):
    """What the metrics show."""

    top_providers: Annotated[
        Annotated[int, Meta(ge=0, le=200)],
        _about("Providers with most spells that get a label of their own; the rest is `other`."),
    ] = 20
    watch_providers: Annotated[
        tuple[str, ...], _about("Providers that always get a label of their own.")
    ] = ()
    interval_seconds: Annotated[
        Seconds, _about("How often the figures are read from Postgres.")
    ] = 15.0


class Log(Section, frozen=True, kw_only=True):
    """The log, on standard error."""

    format: Annotated[
        Literal["json", "console"], _about("`json` for machines, `console` for people.")
    ] = "json"
    level: Annotated[Literal["debug", "info", "warning", "error"], _about("Least level shown.")] = (
        "info"
    )


class Settings(Section, frozen=True, kw_only=True):
    """All settings of one process."""

    data_dir: Annotated[
        str, _about("Keys, logs, embedded servers; `~/.local/share/takedown-monitor`.")
    ] = ""
    cache_dir: Annotated[str, _about("What is fetched once; `~/.cache/takedown-monitor`.")] = ""
    keys_file: Annotated[
        str | None, _about("Key file (`takedown keys new`); else `keys.toml` in the data dir.")
    ] = None
    signing_key_file: Annotated[
        str | None,
        _about(
            "Key that signs evidence packs (`takedown keys signing`); else `signing.pem` there."
        ),
    ] = None
    methodology: Annotated[
        str, _about("Id of a shipped methodology (`takedown method list`) or path of a TOML file.")
    ] = "nl-24h"
    provider_map: Annotated[
        str | None, _about("TOML file that says who answers for which addresses.")
    ] = None
    stop_seconds: Annotated[Seconds, _about("How long a process may drain after SIGTERM.")] = 20.0
    database: Database = Database()
    kafka: Kafka = Kafka()
    topics: Topics = Topics()
    probe: Probe = Probe()
    vantage: Vantage = Vantage()
    http: Http = Http()
    ledger: Ledger = Ledger()
    exporter: Exporter = Exporter()
    retention: Retention = Retention()
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
        """Where retention keeps its archives, absolute."""
        given = self.retention.archives
        return Path(given).expanduser().absolute() if given else self.data_path / "archives"

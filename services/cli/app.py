"""The command `takedown`: its commands, loaded when asked for, and its exit statuses."""

import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

from schemas.errors import TakedownError
from services.cli.closed_output import (
    OUTPUT_CLOSED,
    StuckOutput,
    discard_output,
    output_closed,
    write_held,
)
from services.cli.lazy_group import LazyGroup
from services.cli.typed_words import require_text
from services.runtime.core_dumps import leave_no_dump

BAD_USAGE = 2
DISTRIBUTION = "takedown-monitor"

COMMANDS = {
    "init": (
        "services.cli.init_command",
        "Write a settings file with comments: operator, contact, legal basis, canary.",
    ),
    "up": (
        "services.cli.up_command",
        "Start everything: servers that are not configured, and all roles.",
    ),
    "run": ("services.cli.run_command", "Run one or more roles in this process."),
    "probe": (
        "services.cli.probe_command",
        "Look once at a URL of your own, and explain the verdict.",
    ),
    "submit": ("services.cli.submit_command", "Send events, one JSON object a line, to Kafka."),
    "import": ("services.cli.imports", "Import data of other systems as events."),
    "status": (
        "services.cli.status_command",
        "Say in ten lines whether the norm holds, what is due, and whether to trust it.",
    ),
    "notices": (
        "services.cli.notices_command",
        "Read bounces and answers; show what became of notices.",
    ),
    "intake": (
        "services.cli.intake_command",
        "Give and take back the tokens of reporters that use the HTTP intake.",
    ),
    "case": ("services.cli.case_command", "Show cases; a URL only with a purpose."),
    "correct": (
        "services.cli.correct_command",
        "Retract, attribute, hold, lift or erase, with actor and reason.",
    ),
    "providers": (
        "services.cli.providers_command",
        "Check, look up and change the provider map.",
    ),
    "evidence": (
        "services.cli.evidence_command",
        "Write or verify the signed evidence pack of a provider.",
    ),
    "reconcile": (
        "services.cli.reconcile_command",
        "Compare our notices with a provider's own list.",
    ),
    "audit": (
        "services.cli.audit_command",
        "Show the audit log, and verify its chain of hashes.",
    ),
    "report": (
        "services.cli.report_command",
        "Print the league table: shares removed in time, as bounds.",
    ),
    "moves": (
        "services.cli.moves_command",
        "Print from which providers and countries cases moved to which.",
    ),
    "replay": (
        "services.cli.replay_command",
        "Fold the evidence again, compare, and promote the result.",
    ),
    "archive": (
        "services.cli.archive_command",
        "Write the evidence to compressed files with checksums.",
    ),
    "retention": ("services.cli.retention_command", "Destroy URLs whose retention has ended."),
    "dead-letters": (
        "services.cli.dead_letters_command",
        "Show records that could not be used, and retry them.",
    ),
    "topics": ("services.cli.topics_command", "List, create and verify the topics."),
    "rights": (
        "services.cli.rights_command",
        "Show what each role may do at Kafka, and grant it there.",
    ),
    "migrate": (
        "services.cli.migrate_command",
        "Migrate the database to the schema of this version.",
    ),
    "method": (
        "services.cli.method_command",
        "Show the methodologies: definitions of `removed in time`.",
    ),
    "keys": (
        "services.cli.keys_command",
        "Create and rotate the keys that name cases and seal URLs.",
    ),
    "check-config": (
        "services.cli.check_config_command",
        "Check all settings; start nothing.",
    ),
    "demo": (
        "services.cli.demo_command",
        "Run everything on a simulated internet, and compare with its truth.",
    ),
    "doctor": (
        "services.cli.doctor_command",
        "Check everything this program needs, and print what to do.",
    ),
}

_STATUSES = """\b
Exit status:
  0    done
  1    failure; standard error has the reason and the remedy
  2    invalid setting, option or argument
  3    a server cannot be reached, or no `takedown up` is running
  4    some of the input was refused
  5    a check failed (doctor, topics verify, rights apply --dry-run,
       migrate status, reconcile, providers check, replay --compare, and
       verify of evidence, audit and archive)
  130  interrupted
  141  nobody reads the output any more (`takedown ... | head`)
"""


class CommandFailure(click.ClickException):
    """A failure as one line on standard error."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance too

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.echo(f"error: {self.format_message()}", err=True)


class Commands(LazyGroup):
    """The commands of `COMMANDS`, whose errors are one line each."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse words that are no text, before any command has them."""
        require_text(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; turn every error that has a message for people into one line."""
        try:
            status = super().invoke(ctx)
        except TakedownError as error:
            raise CommandFailure(str(error), error.exit_code) from None
        except KeyboardInterrupt:
            raise CommandFailure("interrupted", 128 + signal.SIGINT) from None
        except Exception as error:
            # What went wrong has loaded more than this already; `--help` is not to wait for it.
            from services.cli.support import UNREACHABLE, refused_value, unreachable  # noqa: PLC0415

            if value := refused_value(error):
                raise CommandFailure(value, BAD_USAGE) from None
            message = unreachable(error)
            if message is None:
                raise
            raise CommandFailure(message, UNREACHABLE) from None
        if isinstance(status, int) and status:
            ctx.exit(status)
        return status


@click.group(
    cls=Commands,
    table=COMMANDS,
    epilog=_STATUSES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name=DISTRIBUTION, prog_name="takedown")
def cli() -> None:
    """Measure how long reported illegal material stays online after a notice.

    With no configuration, `takedown up` starts everything it needs on this machine. Settings are
    environment variables (docs/settings.md); `takedown check-config` shows them.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status. A crash leaves no core dump."""
    leave_no_dump()
    try:
        status = _status(arguments)
        write_held()
    except BrokenPipeError:
        discard_output()
        return OUTPUT_CLOSED
    except StuckOutput as error:
        click.echo(f"error: standard output cannot be written: {error}", err=True)
        discard_output()
        return 1
    return status


def _status(arguments: Sequence[str] | None) -> int:
    """Run the command line; raises `BrokenPipeError` where nobody reads its output, `StuckOutput`."""
    try:
        result = cli.main(args=arguments, prog_name="takedown", standalone_mode=False)
    except click.UsageError as error:
        # Only a mistake needs them.
        from services.cli.usage_errors import in_order  # noqa: PLC0415

        in_order(error).show()
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("error: interrupted", err=True)
        return 128 + signal.SIGINT
    except SystemExit:
        # click ends the process with status 1 for a closed pipe, whatever mode it runs in.
        if output_closed():
            raise BrokenPipeError from None
        raise
    except Exception as error:
        if isinstance(error, OSError):
            # Whether it was standard output that refused is told by one more line.
            write_held(b"\n")
        return _defect(error)
    return result if isinstance(result, int) else 0


def _defect(error: Exception) -> int:
    """Report an unexpected error, with every host and URL removed from the trace."""
    # Only a defect needs them.
    import traceback  # noqa: PLC0415

    from services.runtime.redaction import redact  # noqa: PLC0415

    trace = "".join(traceback.format_exception(error))
    click.echo(redact(trace), err=True, nl=False)
    click.echo("error: internal error: please report the lines above", err=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""`takedown topics`: list, create and verify the topics."""

import click

from consumers.client.topic_admin import create_topics, describe_topics
from schemas import topics as contracts
from services.cli.support import (
    CHECK_FAILED,
    client_settings,
    json_option,
    print_rows,
    run_async,
)
from services.runtime.connections import kafka_connection


@click.group()
def command() -> None:
    """List, create and verify the topics."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the topics that the contracts define; contacts no broker."""
    rows = [
        {
            "topic": name,
            "key": "case_id",
            "cleanup": config["cleanup.policy"],
            "retention_ms": config["retention.ms"],
            "about": contracts.BY_NAME[name].about
            if name in contracts.BY_NAME
            else "Dead letters.",
        }
        for name, config in contracts.all_names().items()
    ]
    print_rows(rows, tuple(rows[0]), as_json=as_json)


@command.command()
@click.option("--partitions", type=click.IntRange(1), help="Default: TAKEDOWN_TOPIC_PARTITIONS.")
@click.option(
    "--replication", type=click.IntRange(1), help="Default: TAKEDOWN_TOPIC_REPLICATION_FACTOR."
)
def create(partitions: int | None, replication: int | None) -> None:
    """Create missing topics; existing ones are not changed."""
    settings = client_settings(kafka=True)
    created = run_async(
        lambda: create_topics(
            kafka_connection(settings),
            partitions=partitions or settings.topics.partitions,
            replication=replication or settings.topics.replication_factor,
        )
    )
    click.echo("\n".join(f"created {name}" for name in created) or "nothing to create")


@command.command()
@json_option
def verify(as_json: bool) -> int:
    """Compare the topics of the broker with the contracts; exit status 5 if one would lose evidence."""
    settings = client_settings(kafka=True)
    states = run_async(lambda: describe_topics(kafka_connection(settings)))
    rows = [
        {
            "topic": state.name,
            "partitions": state.partitions,
            "ok": not state.problems,
            "problems": "; ".join(state.problems) or None,
        }
        for state in states
    ]
    print_rows(rows, tuple(rows[0]), as_json=as_json)
    return CHECK_FAILED if any(state.problems for state in states) else 0

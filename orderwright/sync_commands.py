"""``orderwright sync ...``: count the orders of both sides now, and show what the last count found."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Annotated

import typer
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from activities.contracts import SweepReport
from config.settings import Settings
from orderwright.terminal import (
    FAILED,
    AsJson,
    CommandFailed,
    Invocation,
    invocation,
    print_json,
    print_table,
)
from store.database import Database
from web.desk.counts import ChannelCertificate, counted, what_to_do
from web.desk.operations import result_of, temporal
from workflows.messages import ORDERS_QUEUE
from workflows.standing import (
    SweepStart,
    sweep_id,
)
from workflows.sweep import SweepWorkflow

LONGEST_RUN_SECONDS = 600.0
"""A sweep that takes longer waits for a system that is away, most likely; it goes on without us."""

sync = typer.Typer(
    no_args_is_help=True, help="Count the orders of both sides: what one has and the other lacks."
)

ChannelOption = Annotated[str | None, typer.Option(help="Only this channel; default: all.")]


@sync.command("run")
def run(
    ctx: typer.Context,
    *,
    channel: ChannelOption = None,
    hours: Annotated[
        float | None,
        typer.Option(
            min=0, max=876_000, help="Look so many hours back; default: from where the last sweep ended."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count now, repair what can be, and print the result. Exit status 1 where something is unexplained.

    With --hours it also looks at orders from before Orderwright was put in charge of the channel, and carries those
    that are not in the ERP.
    """
    settings = invocation(ctx).settings()
    channels = _channels(settings, channel)
    reports = asyncio.run(_sweep_all(settings, channels, hours))
    _show(invocation(ctx), {report.channel: report.sweep_id for report in reports}, as_json=as_json)


@sync.command("certificate")
def certificate(ctx: typer.Context, *, channel: ChannelOption = None, as_json: AsJson = False) -> None:
    """Print the last certificates: what was counted, and what to do about each order that nobody can explain."""
    channels = _channels(invocation(ctx).settings(), channel)
    _show(invocation(ctx), dict.fromkeys(channels), as_json=as_json)


def _channels(settings: Settings, channel: str | None) -> list[str]:
    if channel is not None:
        settings.channel(channel)
        return [channel]
    if not settings.channels:
        raise CommandFailed("no channel is set (docs/settings.md)")
    return sorted(settings.channels)


async def _sweep_all(settings: Settings, channels: Sequence[str], hours: float | None) -> list[SweepReport]:
    async with temporal(settings.temporal) as client:
        return await asyncio.gather(*(_sweep(client, channel, hours) for channel in channels))


async def _sweep(client: Client, channel: str, hours: float | None) -> SweepReport:
    """Start a sweep and wait for its end; where one that a person asked for is under way, wait for that one."""
    handle = await client.start_workflow(
        SweepWorkflow.run,
        SweepStart(channel=channel, hours=hours),
        id=sweep_id(channel),
        task_queue=ORDERS_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"Counts the orders of {channel} on both sides, asked for by a person",
    )
    return await result_of(handle, f"the sweep of {channel}", LONGEST_RUN_SECONDS)


def _show(invoked: Invocation, sweeps: Mapping[str, str | None], *, as_json: bool) -> None:
    """Show sweeps by channel; None is the last one of its channel."""
    with closing(Database(invoked.settings().database)) as database:
        database.check()
        found = counted(database, sweeps)
    if as_json:
        print_json([_plain(each) for each in found])
    else:
        for each in found:
            _print(each)
    if any(each.unexplained for each in found):
        raise typer.Exit(FAILED)


def _plain(found: ChannelCertificate) -> dict[str, object]:
    return {
        "channel": found.channel,
        "certificates": [
            {
                **each.model_dump(mode="json", exclude={"tally": {"open"}}),
                "sentence": each.tally.sentence,
            }
            for each in found.certificates
        ],
        "silence": found.silence,
        "unexplained": found.unexplained,
    }


def _print(found: ChannelCertificate) -> None:
    if not found.certificates:
        typer.echo(
            f"{found.channel}: no sweep ended yet; run: orderwright sync run --channel {found.channel}"
        )
        return
    first = found.certificates[0]
    typer.echo(f"{found.channel}, {first.window}, counted at {first.at:%Y-%m-%d %H:%M:%S} UTC")
    for each in found.certificates:
        typer.echo(f"  {each.tally.flow.value:<9}  {each.tally.sentence}")
    if found.silence is not None and found.silence.alarm_since is not None:
        typer.echo(f"  {found.silence.sentence}")
        typer.echo("  what to do: see whether the storefront still sends its webhooks here (docs/sweep.md)")
    findings = [finding for each in found.certificates for finding in each.tally.findings]
    rows = [(str(f.key), f.number, f.explanation.value, f.sentence, what_to_do(f)) for f in findings]
    if rows:
        heads = ("Order", "Number", "What", "Found", "What to do")
        print_table("Named orders", heads, rows, wide={"Found", "What to do"})

"""``orderwright status``: is all well right now, in one screen."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import typer

from domain.status import OrderStatus
from orderwright.terminal import FAILED, AsJson, invocation, open_store, print_facts, print_json, print_table
from store.inbox import Backlog, InboxState
from web.desk.operations import temporal
from web.desk.status import Status, look


def status(
    ctx: typer.Context,
    as_json: AsJson = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit status 1 where something is away; for monitoring.")
    ] = False,
) -> None:
    """Tell how every system is, what waits for it, and where the orders stand."""
    settings = invocation(ctx).settings()
    with open_store(ctx) as database:
        found = asyncio.run(look(settings, database, temporal(settings.temporal)))
    if as_json:
        print_json(found)
    else:
        _print(found)
    if check and not found.well:
        raise typer.Exit(FAILED)


def _print(found: Status) -> None:
    rows = [
        (
            s.system,
            "AWAY" if s.away else "no worker" if s.polled is False else "up",
            s.sentence,
            "?" if s.waiting_steps is None else str(s.waiting_steps),
        )
        for s in found.systems
    ]
    print_table("Systems", ("System", "", "How it is", "Steps that wait"), rows, wide={"How it is"})
    print_facts(
        [
            ("Temporal", found.temporal or "answers"),
            ("webhooks waiting", _webhooks(found.webhooks, found.at)),
            ("webhooks done", _done(found.webhooks_kept)),
            ("orders", ", ".join(_counts(found.orders)) or "none"),
        ]
    )


def _webhooks(backlog: Backlog, now: datetime) -> str:
    if backlog.oldest_received_at is None:
        return "none"
    age = max(0, round((now - backlog.oldest_received_at).total_seconds()))
    return f"{backlog.pending}, the oldest for {age} s, {backlog.failing} of them failed before"


def _done(kept: dict[InboxState, int]) -> str:
    dispatched, echoes = kept.get(InboxState.DISPATCHED, 0), kept.get(InboxState.ECHO, 0)
    return f"{dispatched} handed over, {echoes} echoes that told nobody anything"


def _counts(orders: dict[OrderStatus, int]) -> Iterable[str]:
    return (f"{count} {status.value.replace('_', ' ')}" for status, count in orders.items() if count)

"""The whole story of an order: what happened since it came back to life, and all that was before."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from temporalio.client import Client

from domain.order import OrderKey
from web.desk.operations import (
    QUERY,
    CannotBeDone,
    Carried,
    NoAnswer,
    OrderNotFound,
    answered,
    listed,
    order_carried,
    quotable,
)
from workflows.messages import TimelineEntry

MOST_RUNS = 10
"""So many earlier runs are asked, the latest of them: each has to be read again by a worker before it answers."""


async def with_earlier(
    client: Client, key: OrderKey, told: Sequence[TimelineEntry]
) -> tuple[TimelineEntry, ...]:
    """The story that the order's last run tells, behind what its earlier runs tell, oldest first.

    A run whose history is gone, or that nobody answers for, is left out: what is known is shown all the same.
    """
    carried = order_carried(key)
    try:
        runs = await _earlier(client, carried)
    except CannotBeDone:
        return tuple(told)
    stories = await asyncio.gather(*(_of_run(client, carried, run) for run in runs))
    return in_turn([*stories, told])


def in_turn(stories: Sequence[Sequence[TimelineEntry]]) -> tuple[TimelineEntry, ...]:
    """Stories of runs, oldest first, as one. A run may carry on what an earlier one told; that counts once."""
    whole: list[TimelineEntry] = []
    for story in reversed(stories):
        known = Counter(_what(entry) for entry in whole)
        fresh = []
        for entry in story:
            if known[_what(entry)]:
                known[_what(entry)] -= 1
            else:
                fresh.append(entry)
        whole = fresh + whole
    return tuple(whole)


async def _earlier(client: Client, carried: Carried) -> list[str]:
    """Runs that came to their end before the last one, oldest first; one that went on as another is told by that."""
    if not quotable(carried.workflow_id):
        return []
    wanted = f"WorkflowId = '{carried.workflow_id}' AND ExecutionStatus = 'Completed'"

    runs = sorted(await listed(client, wanted, MOST_RUNS + 1), key=lambda run: run.start_time)
    if not runs:
        return []
    last = await answered(carried, client.get_workflow_handle(carried.workflow_id).describe())
    return [run.run_id for run in runs if run.run_id != last.run_id][-MOST_RUNS:]


async def _of_run(client: Client, carried: Carried, run: str) -> tuple[TimelineEntry, ...]:
    handle = client.get_workflow_handle(carried.workflow_id, run_id=run)
    asked = handle.query("timeline", result_type=list[TimelineEntry], rpc_timeout=QUERY)
    try:
        return tuple(await answered(carried, asked))
    except (NoAnswer, OrderNotFound):
        return ()


def _what(entry: TimelineEntry) -> tuple[object, ...]:
    return (entry.at, entry.actor, entry.text)

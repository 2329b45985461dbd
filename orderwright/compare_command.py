"""``orderwright stock compare``: all that a storefront shows against what can be sold, now and not tonight."""

import asyncio
from typing import Annotated

import typer
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from activities.stock_contracts import StockComparison
from config.settings import Settings
from orderwright.terminal import AsJson, invocation, print_json
from web.desk.operations import result_of, temporal
from workflows.messages import ORDERS_QUEUE
from workflows.standing import (
    StockComparisonStart,
    stock_comparison_id,
)
from workflows.stock_comparison import StockComparisonWorkflow

LONGEST_SECONDS = 3600.0
"""One that takes longer waits for a storefront that is away, most likely; it goes on without us."""


def compare(
    ctx: typer.Context,
    channel: Annotated[str, typer.Argument(help="The channel to compare.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Compare all that a channel shows with what can be sold, and set what differs."""
    settings = invocation(ctx).settings()
    settings.channel(channel)
    found = asyncio.run(_compare(settings, channel))
    if as_json:
        print_json(found.model_dump(mode="json") | {"sentence": found.sentence})
    else:
        typer.echo(found.sentence)


async def _compare(settings: Settings, channel: str) -> StockComparison:
    async with temporal(settings.temporal) as client:
        return await _run(client, channel)


async def _run(client: Client, channel: str) -> StockComparison:
    """Start a comparison and wait for its end; where one is under way that was not the schedule's, wait for that."""
    handle = await client.start_workflow(
        StockComparisonWorkflow.run,
        StockComparisonStart(channel=channel),
        id=stock_comparison_id(channel),
        task_queue=ORDERS_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"Compares what {channel} shows of stock, asked for by a person",
    )
    return await result_of(handle, f"the comparison of {channel}", LONGEST_SECONDS)

"""What keeps stock while a worker runs: queues and slots of its own, so that it takes none from orders."""

import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.gates import Gates
from activities.stock_contracts import STOCK_ERP_QUEUE, stock_queue
from activities.stock_push import told_channels
from config.setting_groups import MOST_SHARDS, StockSettings
from domain.connection import ERP_SYSTEM
from store.stock_whole import WholeReadings
from workers.composition import Parts
from workers.queues import for_system
from workflows.messages import ORDERS_QUEUE
from workflows.standing import (
    STOCK_FEED_ID,
    StockComparisonStart,
    StockFeedStart,
    StockPusherStart,
    stock_comparison_id,
    stock_pusher_id,
)
from workflows.stock_comparison import StockComparisonWorkflow
from workflows.stock_feed import StockFeedWorkflow
from workflows.stock_pusher import StockPusherWorkflow

log = logging.getLogger(__name__)

WORKFLOWS = (StockFeedWorkflow, StockPusherWorkflow, StockComparisonWorkflow)
COMPARISONS_AT_ONCE = 2
"""Of a channel: the schedule's and one by hand."""


@dataclass(frozen=True)
class StockPace:
    """How often the ERP is asked, and how many share the SKUs of a channel."""

    feed_interval: timedelta = timedelta(seconds=1)
    shards: int = 1

    @classmethod
    def of(cls, settings: StockSettings) -> "StockPace":
        """As the settings say."""
        return cls(timedelta(seconds=settings.feed_interval_seconds), settings.shards)


def stock_workers(
    client: Client,
    parts: Parts,
    gates: Gates,
    pace: StockPace,
    version: WorkerDeploymentConfig | None,
) -> list[Worker]:
    """The workers of the queues of stock; none where no channel is told. ``parts`` are behind their gates."""
    channels = told_channels(parts.mappings, parts.storefronts)
    if not channels:
        return []
    feed = parts.stock_feed_activities(pace.feed_interval)
    telling, comparing = parts.stock_telling(pace.shards), parts.stock_comparing()
    erp = for_system(
        client, STOCK_ERP_QUEUE, [feed.follow_stock], gate=gates.of(ERP_SYSTEM), at_once=1, version=version
    )
    return [
        erp,
        *(
            for_system(
                client,
                stock_queue(channel),
                [telling.tell_stock, comparing.compare_stock],
                gate=gates.of(channel),
                at_once=pace.shards + COMPARISONS_AT_ONCE,
                version=version,
            )
            for channel in channels
        ),
    ]


async def start_stock(client: Client, parts: Parts, pace: StockPace) -> Collection[str]:
    """Make sure that stock is followed and told; harmless where it is. Returns the channels that are told.

    A channel that was never listed whole is, now: before that, no storefront may show more than it does.
    """
    channels = told_channels(parts.mappings, parts.storefronts)
    whole = WholeReadings(parts.database)
    for channel in whole.forget([channel for channel in parts.storefronts if channel not in channels]):
        log.warning("%s is not told of stock any more", channel)
        await _end(client, [stock_pusher_id(channel, part) for part in range(MOST_SHARDS)])
        await _end(client, [stock_comparison_id(channel)])
    if not channels:
        await _end(client, [STOCK_FEED_ID])
        return ()
    await client.start_workflow(
        StockFeedWorkflow.run,
        StockFeedStart(),
        id=STOCK_FEED_ID,
        task_queue=ORDERS_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="Follows what the ERP has in stock",
    )
    lacking = whole.lacking(channels)
    for channel in channels:
        for part in range(pace.shards):
            await client.start_workflow(
                StockPusherWorkflow.run,
                StockPusherStart(channel=channel, part=part),
                id=stock_pusher_id(channel, part),
                task_queue=ORDERS_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=f"Tells {channel} what can be sold",
            )
        if channel in lacking:
            await client.start_workflow(
                StockComparisonWorkflow.run,
                StockComparisonStart(channel=channel),
                id=stock_comparison_id(channel),
                task_queue=ORDERS_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=f"Lists what {channel} shows of stock for the first time",
            )
    return tuple(channels)


async def _end(client: Client, workflows: Sequence[str]) -> None:
    """Nobody polls their queues any more: they would wait for ever."""
    for workflow_id in workflows:
        with suppress(RPCError):  # most of them do not run
            await client.get_workflow_handle(workflow_id).terminate("stock is not told any more")

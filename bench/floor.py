"""The floors: workflows with an order's activities, signals and upsert that do nothing else.

``ALONE`` is the cheapest there can be: everything on one task queue, so that activities start in the worker that asked
for them, and both signals sent at once. ``SHAPED`` has the shape that an order must have: a task queue for each outside
system, and a signal for each parcel, ``PACKING`` after the order is in the ERP and ``PACKING`` after the storefront was
told of the first.

They run as orders do, with the same runner.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from workers.worker import RUNNER
    from workflows.search import CHANNEL, ORDER_NUMBER, ORDER_STATE

FLOOR_QUEUE = "floor"
ERP_QUEUE = "floor-erp"
STOREFRONT_QUEUE = "floor-storefront"
SHIPMENTS = 2
PACKING = timedelta(seconds=0.5)
"""How long a warehouse takes over a parcel, the floor's and the order's: long enough that each message finds its order
at rest and none shares a workflow task with another, as in life, where hours lie between."""
PAYLOAD = "x" * 500
_ONE_CALL = timedelta(seconds=60)


@dataclass(frozen=True)
class Shape:
    """Task queues of the activities in turn: read, submit, one for each shipment, close."""

    name: str
    queues: tuple[str, ...]
    apart: bool
    """Each signal follows the activity before it, as an order's do."""


ALONE = Shape("alone", (FLOOR_QUEUE,) * 5, apart=False)
SHAPED = Shape(
    "shaped", (STOREFRONT_QUEUE, ERP_QUEUE, STOREFRONT_QUEUE, STOREFRONT_QUEUE, ERP_QUEUE), apart=True
)


@workflow.defn
class FloorWorkflow:
    """As many activities, signals and upserts as an order with two shipments, and no more."""

    def __init__(self) -> None:
        self._shipped = 0

    @workflow.run
    async def run(self, text: str, queues: list[str]) -> str:
        """Two activities, one for each shipment, one at the end, then the upsert."""
        read, submit, *reports, close = queues
        await self._one(text, read)
        await self._one(text, submit)
        for reported, report in enumerate(reports):
            await workflow.wait_condition(lambda known=reported: self._shipped > known)  # type: ignore[misc]
            await self._one(text, report)
        await self._one(text, close)
        workflow.upsert_search_attributes([ORDER_STATE.value_set("closed")])
        return text

    async def _one(self, text: str, queue: str) -> None:
        await workflow.execute_activity("nothing", text, task_queue=queue, start_to_close_timeout=_ONE_CALL)

    @workflow.signal
    def begin(self, text: str) -> None:
        """Stands for the webhook."""

    @workflow.signal
    def shipped(self, text: str) -> None:
        """Stands for the ERP's news."""
        del text
        self._shipped += 1


class Floor:
    """Runs floor workflows."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._done: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))

    @activity.defn
    async def nothing(self, text: str) -> str:
        """The cheapest activity."""
        self._done[activity.info().workflow_id or ""].release()
        return text

    @asynccontextmanager
    async def working(self, shape: Shape) -> AsyncIterator[None]:
        """Workers for the shape while the block runs: one a task queue, as an order has them."""
        async with AsyncExitStack() as stack:
            for queue in sorted({FLOOR_QUEUE, *shape.queues}):
                await stack.enter_async_context(
                    Worker(
                        self._client,
                        task_queue=queue,
                        workflows=[FloorWorkflow] if queue == FLOOR_QUEUE else [],
                        activities=[self.nothing] if queue in shape.queues else [],
                        workflow_runner=RUNNER,
                    )
                )
            yield

    async def one(self, shape: Shape, number: int) -> str:
        """Run one to its end; returns its workflow id."""
        workflow_id = f"floor:{shape.name}:{number}"
        handle = await self._client.start_workflow(
            FloorWorkflow.run,
            args=[PAYLOAD, list(shape.queues)],
            id=workflow_id,
            task_queue=FLOOR_QUEUE,
            start_signal="begin",
            start_signal_args=[PAYLOAD],
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(CHANNEL, "shop"),
                    SearchAttributePair(ORDER_STATE, "working"),
                    SearchAttributePair(ORDER_NUMBER, f"#{number}"),
                ]
            ),
        )
        if shape.apart:
            await self._done[workflow_id].acquire()  # read
        for _ in range(SHIPMENTS):
            if shape.apart:
                await self._done[workflow_id].acquire()
                await asyncio.sleep(PACKING.total_seconds())
            await handle.signal(FloorWorkflow.shipped, PAYLOAD)
        await handle.result()
        return workflow_id

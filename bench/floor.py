"""The floor: a workflow with an order's activities, signals and upsert that does nothing else.

It has a module of its own because the workflow sandbox imports the module anew for every workflow.
"""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from workflows.search import CHANNEL, ORDER_STATE

FLOOR_QUEUE = "floor"
SHIPMENTS = 2
ACTIVITIES_BEFORE_SHIPPING = 2
"""Stand for reading the order and entering it in the ERP; one more follows each shipment, and one closes."""
PAYLOAD = "x" * 500
_ONE_CALL = timedelta(seconds=60)
_AT_START = TypedSearchAttributes(
    [SearchAttributePair(CHANNEL, "shop"), SearchAttributePair(ORDER_STATE, "working")]
)


@activity.defn
async def nothing(text: str) -> str:
    """The cheapest activity."""
    return text


@workflow.defn
class FloorWorkflow:
    """As many activities, signals and upserts as an order with two shipments, and no more."""

    def __init__(self) -> None:
        self._shipped = 0

    @workflow.run
    async def run(self, text: str) -> str:
        """Two activities, one for each shipment, one at the end, then the upsert."""
        for _ in range(ACTIVITIES_BEFORE_SHIPPING):
            await self._one(text)
        for reported in range(SHIPMENTS):
            await workflow.wait_condition(lambda known=reported: self._shipped > known)  # type: ignore[misc]
            await self._one(text)
        await self._one(text)
        workflow.upsert_search_attributes([ORDER_STATE.value_set("closed")])
        return text

    async def _one(self, text: str) -> None:
        await workflow.execute_activity(nothing, text, start_to_close_timeout=_ONE_CALL)

    @workflow.signal
    def begin(self, text: str) -> None:
        """Stands for the webhook."""

    @workflow.signal
    def shipped(self, text: str) -> None:
        """Stands for the ERP's news."""
        del text
        self._shipped += 1


async def one_floor(client: Client, number: int) -> str:
    """Run one to its end; returns its workflow id."""
    workflow_id = f"floor:{number}"
    handle = await client.start_workflow(
        FloorWorkflow.run,
        PAYLOAD,
        id=workflow_id,
        task_queue=FLOOR_QUEUE,
        start_signal="begin",
        start_signal_args=[PAYLOAD],
        search_attributes=_AT_START,
    )
    for _ in range(SHIPMENTS):
        await handle.signal(FloorWorkflow.shipped, PAYLOAD)
    await handle.result()
    return workflow_id

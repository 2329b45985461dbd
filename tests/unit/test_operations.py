"""What operators ask of orders, where some of them cannot answer."""

from datetime import UTC, datetime
from types import SimpleNamespace

from temporalio.service import RPCError, RPCStatusCode

from domain.order import OrderKey
from domain.status import OrderStatus
from web.desk.operations import waiting_for_people
from workflows.messages import Attention, OrderView


class Temporal:
    """Lists orders; the one with id 5002 has nobody to answer for it."""

    def __init__(self, *external_ids: str) -> None:
        self.listed = [OrderKey(channel="shop", external_id=number) for number in external_ids]
        self.query = ""

    async def list_workflows(self, query, limit):
        self.query = query
        for key in self.listed[:limit]:
            yield SimpleNamespace(
                id=key.workflow_id, typed_search_attributes={}, start_time=datetime.now(UTC)
            )

    def get_workflow_handle(self, workflow_id):
        async def query(*_args, **_options):
            if workflow_id.endswith("5002"):
                raise RPCError("no worker answered", RPCStatusCode.DEADLINE_EXCEEDED, b"")
            return OrderView(
                key=OrderKey.parse(workflow_id),
                number="#1001",
                erp_number=None,
                status=OrderStatus.RECEIVED,
                attention=Attention.ON_HOLD,
                sentence="",
                waiting_for="release",
                can_do=(),
                lines=(),
                problem=None,
            )

        return SimpleNamespace(query=query)


async def test_one_order_that_nobody_answers_for_hides_no_other():
    temporal = Temporal("5001", "5002", "5003")
    found = await waiting_for_people(temporal, limit=10)
    assert {key.external_id: view and view.waiting_for for key, view in found.items()} == {
        "5001": "release",
        "5002": None,
        "5003": "release",
    }
    assert "'needs attention', 'on hold'" in temporal.query

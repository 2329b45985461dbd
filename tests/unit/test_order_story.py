"""The story of an order that came back to life: every entry of all its runs once, oldest first."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from temporalio.service import RPCError, RPCStatusCode

from domain.order import OrderKey
from web.desk.stories import in_turn, with_earlier
from workflows.messages import TimelineEntry

KEY = OrderKey(channel="shop", external_id="5001")
BEGAN = datetime(2026, 7, 1, tzinfo=UTC)


def entry(hour: int, text: str) -> TimelineEntry:
    return TimelineEntry(at=BEGAN + timedelta(hours=hour), actor="Orderwright", text=text)


def test_what_a_later_run_carries_on_is_told_once_and_what_happened_twice_twice():
    first = [entry(1, "read"), entry(1, "read"), entry(2, "closed")]
    second = [entry(2, "closed"), entry(3, "came back")]
    assert [each.text for each in in_turn([first, second])] == ["read", "read", "closed", "came back"]


class Temporal:
    """Runs by id with what each tells, oldest first; None where its history is gone. The last one is under way."""

    def __init__(self, **runs: list[TimelineEntry] | None) -> None:
        self.runs = runs
        self.asked: list[str] = []

    async def list_workflows(self, query, limit):
        assert f"WorkflowId = '{KEY.workflow_id}'" in query
        assert "Completed" in query
        # Temporal lists the youngest first.
        for place, run in reversed(list(enumerate(self.runs))[:limit]):
            yield SimpleNamespace(run_id=run, start_time=BEGAN + timedelta(hours=place))

    def get_workflow_handle(self, workflow_id, *, run_id=None):
        assert workflow_id == KEY.workflow_id

        async def describe():
            return SimpleNamespace(run_id=list(self.runs)[-1])

        async def query(*_args, **_options):
            self.asked.append(run_id)
            told = self.runs[run_id]
            if told is None:
                raise RPCError("history not found", RPCStatusCode.NOT_FOUND, b"")
            return told

        return SimpleNamespace(describe=describe, query=query)


async def test_earlier_runs_come_first_and_one_whose_history_is_gone_hides_no_other():
    last = [entry(9, "came back")]
    temporal = Temporal(one=[entry(1, "read")], two=None, three=[entry(5, "closed")], four=last)
    story = await with_earlier(temporal, KEY, last)
    assert [each.text for each in story] == ["read", "closed", "came back"]
    assert "four" not in temporal.asked


async def test_an_order_with_one_run_is_asked_no_more():
    temporal = Temporal(only=[entry(1, "read")])
    assert await with_earlier(temporal, KEY, [entry(1, "read")]) == (entry(1, "read"),)
    assert temporal.asked == []

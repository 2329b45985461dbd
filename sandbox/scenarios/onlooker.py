"""Looks how far an order has come: in the application's list, and in what it tells of itself."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from domain.status import OrderStatus
from sandbox.addresses import CHANNEL
from sandbox.house import OVER, workflow_id
from sandbox.scenarios.ground import Ground, Late
from sandbox.scenarios.vocabulary import Waited
from store.database import Database
from store.order_view import OrderSummary, OrderViews
from workflows.messages import TimelineEntry

LOOK_SECONDS: Final = 0.3
MANY: Final = 1_000_000

_COMES_TO: dict[str, Callable[[OrderSummary], bool]] = {
    "read": lambda _row: True,
    "in the ERP": lambda row: row.erp_number is not None,
    "stopped": lambda row: bool(row.problem),
    "partly shipped": lambda row: row.status in {OrderStatus.PARTLY_SHIPPED, OrderStatus.SHIPPED, *OVER},
    "closed": lambda row: row.status is OrderStatus.CLOSED,
    "shipped": lambda row: row.status in {OrderStatus.SHIPPED, *OVER},
}  # fmt: skip


class Onlooker:
    """Looks at the orders of one ground; ``patience``: seconds that one wait may take. Close it."""

    def __init__(self, ground: Ground, patience: float) -> None:
        self._ground, self._patience = ground, patience
        self._database = Database(ground.database_url)
        self._looking = asyncio.Lock()
        self._rows: dict[str, OrderSummary] = {}
        self._looked_at = 0.0

    def close(self) -> None:
        """Give connections back."""
        self._database.close()

    async def wait(self, act: Waited, external_id: str) -> None:
        """Wait until the order has come so far. Raises Late."""
        if act.until != "told":
            await self.until(external_id, _COMES_TO[act.until], f"not {act.until}")
            return
        await self.until(external_id, lambda _row: True, "unknown")
        deadline = time.monotonic() + self._patience
        while act.words not in "\n".join(await self._story(external_id)):
            if time.monotonic() > deadline:
                raise Late(f"nobody told {act.words!r} within {self._patience:.0f} s")
            await asyncio.sleep(LOOK_SECONDS)

    async def until(self, external_id: str, what: Callable[[OrderSummary], bool], still: str) -> OrderSummary:
        """Wait until the list says so of an order. Raises Late."""
        deadline = time.monotonic() + self._patience
        while True:
            row = await self.row(external_id)
            if row is not None and what(row):
                return row
            if time.monotonic() > deadline:
                raise Late(f"still {still} after {self._patience:.0f} s; {_where(row)}")
            await asyncio.sleep(LOOK_SECONDS)

    async def whole_story(self, external_id: str) -> str:
        """What all its runs tell: a late webhook about an order that is over begins a run of its own."""
        runs = self._ground.client.list_workflows(f"WorkflowId = '{workflow_id(external_id)}'")
        # The list may be late, so the last run is asked by name.
        told = await self._story(external_id)
        told += [line async for run in runs for line in await self._story(external_id, run.run_id)]
        return "\n".join(told)

    async def _story(self, external_id: str, run_id: str | None = None) -> list[str]:
        """What the order's last run tells, or another one."""
        handle = self._ground.client.get_workflow_handle(workflow_id(external_id), run_id=run_id)
        entries = await handle.query("timeline", result_type=list[TimelineEntry])
        return [f"{entry.actor}: {entry.text}" for entry in entries]

    async def row(self, external_id: str) -> OrderSummary | None:
        """An order's row of the application's list. All who wait look together."""
        async with self._looking:
            if time.monotonic() - self._looked_at > LOOK_SECONDS / 2:
                rows = await asyncio.to_thread(OrderViews(self._database).list, channel=CHANNEL, limit=MANY)
                self._rows = {row.key.external_id: row for row in rows}
                self._looked_at = time.monotonic()
        return self._rows.get(external_id)


def _where(row: OrderSummary | None) -> str:
    return f"{row.status}, {row.problem or row.waiting_for or 'under way'}" if row else "unknown"

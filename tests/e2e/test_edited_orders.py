"""Orders edited in the store after Tryton took them: read back from both systems, and balanced to the cent."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from adapters.registry import build_webhook_reader
from config.settings import load_settings
from sandbox.drills.carrying import small_orders
from sandbox.house import PLUS_PLAN, House, people_around
from sandbox.stack import CHANNEL, Stack
from sandbox.store.requests import EditOrder

pytestmark = [pytest.mark.tryton, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

LONGEST = 120.0
EDITS = {
    "fewer units": {"lines": [{"line": 1, "quantity": 1}]},
    "a line goes": {"lines": [{"line": 2, "quantity": 0}]},
    "another price": {"lines": [{"line": 1, "price": "11.35"}]},
    "another note": {"note": "ring twice"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    stack = Stack(tmp_path_factory.mktemp("edits"), fresh=True, say=lambda _text: None)
    async with stack, people_around(stack) as house:
        await house.store.set_throttle(PLUS_PLAN)
        reader = build_webhook_reader(CHANNEL, load_settings(stack.env_file))
        await house.store.turn_webhooks(topics=sorted(reader.topics))
        yield house


async def test_orders_edited_after_submission_end_balanced_as_they_are_now(house: House):
    ids = await house.place(small_orders(len(EDITS)))
    await house.until_entered(ids, within=LONGEST)
    totals = {}
    for external_id, edit in zip(ids, EDITS.values(), strict=True):
        told = await house.store.edit_order(external_id, EditOrder.model_validate(edit))
        totals[external_id] = told.total
    edited = [external_id for external_id, edit in zip(ids, EDITS.values(), strict=True) if "lines" in edit]
    await house.until(
        edited,
        lambda row: row.erp_total == totals[row.key.external_id],
        "are amended in the ERP",
        within=LONGEST,
    )
    await house.ship_to_the_end(ids, within=LONGEST)
    rows = await house.audit(dict(zip(ids, EDITS, strict=True)))
    assert {row.name: row.differences for row in rows} == dict.fromkeys(EDITS, ())
    assert all(row.balanced for row in rows)
    assert {row.store.external_id: row.store.total for row in rows} == totals
    assert [row.duplicates for row in rows] == [0] * len(EDITS)

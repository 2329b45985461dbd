"""The memory ERP in a process of its own, through its adapter; what it answered survives being killed."""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from adapters.errors import OutcomeUnknown, Rejected
from adapters.memory.remote import RemoteErp
from domain.erp_order import ErpOrderState, ErpShipmentState
from sandbox.faults.proxy import Proxy
from sandbox.faults.rules import Fault, Rule
from sandbox.faults.vendors import VENDORS
from sandbox.processes import free_port
from tests.contract.tryton_world import assert_entered, order_of, two_warehouses
from tests.contract.tryton_world import goods as line
from tests.running_store import answers, until

PACE = 0.2


class Served:
    """One server, which can be killed and started again on the same books."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", "sandbox.memory_erp", "--port", str(self.port)]
        self._command += ["--state", str(folder / "books.sqlite"), "--seconds-per-order", str(PACE)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command)
        until(lambda: answers(self.url), 30)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    served.start()
    yield served
    served.kill()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RemoteErp]:
    erp = RemoteErp(url)
    yield erp
    await erp.close()


async def test_what_was_answered_survives_a_kill_and_counting_goes_on(served: Served):
    order, later = two_warehouses(), two_warehouses()
    async with connected(served.url) as erp:
        entered = await erp.submit_order(order)
        assert_entered(order, entered)
        told = await erp.changes(None)
        assert [each.key for each in told.orders] == [order.key]
        served.kill()
        served.start()
        assert await erp.find_order(order.key) == entered
        assert await erp.submit_order(order) == entered
        second = await erp.submit_order(later)
        assert second.number != entered.number
        ids = [each.shipment_id for each in (*entered.shipments, *second.shipments)]
        assert len(set(ids)) == len(ids)
        since = await erp.changes(told.cursor)
        assert [each.key for each in since.orders] == [later.key]
        async with httpx.AsyncClient(base_url=f"{served.url}/control") as people:
            assert (await people.post("/ship", json=[order.key.external_id])).json() == 2
        shipped = await erp.find_order(order.key)
        assert shipped is not None
        assert shipped.state is ErpOrderState.DONE
        assert all(each.tracking_number for each in shipped.shipments)


async def test_the_warehouse_sends_half_of_each_line_where_it_is_asked_to(served: Served):
    order = two_warehouses()
    async with connected(served.url) as erp:
        entered = await erp.submit_order(order)
        async with httpx.AsyncClient(base_url=f"{served.url}/control") as people:
            left = (await people.post("/ship", params={"part": True}, json=[order.key.external_id])).json()
        assert left == len(entered.shipments)
        partly = await erp.find_order(order.key)
    assert partly is not None
    waiting = Counter(
        {(each.warehouse, line.line_id): line.quantity for each in entered.shipments for line in each.lines}
    )
    shipped = Counter(
        {
            (each.warehouse, line.line_id): line.quantity
            for each in partly.shipments
            if each.state is ErpShipmentState.SHIPPED
            for line in each.lines
        }
    )
    assert shipped == {what: (units + 1) // 2 for what, units in waiting.items()}
    assert shipped.total() < waiting.total()
    assert partly.state is not ErpOrderState.DONE


async def test_a_refusal_keeps_its_cause_and_words(served: Served):
    async with connected(served.url) as erp:
        with pytest.raises(Rejected, match="NO-SUCH") as caught:
            await erp.submit_order(order_of(line("1", "NO-SUCH", "WH-EAST", 1, "5.00")))
    assert caught.value.cause == "product_unknown:erp:NO-SUCH"


async def test_it_takes_one_order_at_a_time_at_its_pace(served: Served):
    orders = [two_warehouses() for _ in range(5)]
    async with connected(served.url) as erp:
        began = time.monotonic()
        await asyncio.gather(*(erp.submit_order(order) for order in orders))
        assert time.monotonic() - began >= 5 * PACE
        assert (await erp.probe()).ok
        await erp.ping()


async def test_a_dropped_answer_is_found_again(served: Served):
    order = two_warehouses()
    async with (
        Proxy(served.url, VENDORS["memory_server"]) as proxy,
        connected(proxy.url) as erp,
    ):
        await proxy.set_rule(Rule(fault=Fault.DROP_ANSWER, calls="writes", nth=1))
        with pytest.raises(OutcomeUnknown):
            await erp.submit_order(order)
        assert_entered(order, await erp.submit_order(order))
    async with httpx.AsyncClient(base_url=f"{served.url}/control") as people:
        assert len((await people.get("/orders")).json()) == 1

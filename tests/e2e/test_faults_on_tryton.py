"""Every fault of the wire between the real Tryton adapter and a real Tryton."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest

from adapters.errors import (
    AdapterError,
    ContractBroken,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    SessionExpired,
    Unavailable,
)
from adapters.tryton.erp import TrytonErp
from domain.erp_order import ErpOrder, SalesOrder
from domain.order import OrderKey
from sandbox.faults.messages import LOGIN, READS, WRITES
from sandbox.faults.proxy import Proxy
from sandbox.faults.rules import Fault, Rule
from sandbox.faults.vendors import VENDORS
from sandbox.tryton.staff import Staff
from tests.contract.tryton_world import EAST, assert_entered, goods, order_of, two_warehouses
from tests.contract.tryton_world import staff as staff  # noqa: PLC0414  a fixture
from tests.tryton_fixture import TrytonAccess

pytestmark = [pytest.mark.long, pytest.mark.tryton]

PATIENCE = httpx.Timeout(8.0, connect=2.0)
NOBODY = OrderKey(channel="shop", external_id="never-placed")
CREATE = "model.sale.sale.create"
LEAVES: list[tuple[Fault, dict[str, Any], type[AdapterError], type[AdapterError]]] = [
    # fault, what else the rule says, what a read becomes, what a write becomes
    (Fault.CUT, {}, Unavailable, OutcomeUnknown),
    (Fault.HANG, {"seconds": 1.0}, Unavailable, OutcomeUnknown),
    (Fault.DROP_ANSWER, {}, Unavailable, OutcomeUnknown),
    (Fault.CUT_ANSWER, {}, Unavailable, OutcomeUnknown),
    (Fault.RATE_LIMIT, {"retry_after": 12.0}, RateLimited, RateLimited),
    (Fault.THROTTLE, {"retry_after": 12.0}, RateLimited, RateLimited),
    (Fault.STATUS, {"status": 500}, Unavailable, OutcomeUnknown),
    (Fault.STATUS, {"status": 502, "done": True}, Unavailable, OutcomeUnknown),
    (Fault.STATUS, {"status": 503}, Unavailable, Unavailable),
    (Fault.STATUS, {"status": 504, "done": True}, Unavailable, OutcomeUnknown),
    (Fault.STATUS, {"status": 401}, SessionExpired, SessionExpired),
    (Fault.STATUS, {"status": 403}, Rejected, Rejected),
    (Fault.EXPIRE_SESSION, {}, SessionExpired, SessionExpired),
    (Fault.ERROR_INSIDE, {}, Unavailable, Unavailable),
    (Fault.ERROR_INSIDE, {"words": "KeyError: 'party'"}, ContractBroken, ContractBroken),
    (Fault.BREAK_JSON, {}, ContractBroken, ContractBroken),
    (Fault.TRUNCATE, {}, ContractBroken, ContractBroken),
]
NAMES = [f"{fault} {' '.join(map(str, more.values()))}".strip() for fault, more, _, _ in LEAVES]


@pytest.fixture
async def proxy(tryton_server: TrytonAccess) -> AsyncIterator[Proxy]:
    async with Proxy(tryton_server.url, VENDORS["tryton"]) as proxy:
        yield proxy


@asynccontextmanager
async def connected(
    proxy: Proxy, access: TrytonAccess, patience: httpx.Timeout = PATIENCE
) -> AsyncIterator[TrytonErp]:
    erp = TrytonErp(proxy.url, access.database, access.login, access.password, timeout=patience)
    yield erp
    await erp.close()


@pytest.fixture
async def erp(proxy: Proxy, tryton_server: TrytonAccess) -> AsyncIterator[TrytonErp]:
    """The adapter, logged in through the proxy."""
    async with connected(proxy, tryton_server) as erp:
        assert await erp.find_order(NOBODY) is None
        yield erp


def one_line() -> SalesOrder:
    return order_of(goods("1", "MUG-LOGO", EAST, 2, "18.10", ("VAT-20",)))


async def until_entered(erp: TrytonErp, order: SalesOrder) -> tuple[ErpOrder, list[AdapterError]]:
    """Submit again and again as Temporal does; returns what went wrong on the way."""
    met: list[AdapterError] = []
    while True:
        assert len(met) < 40, met
        try:
            return await erp.submit_order(order), met
        except (OutcomeUnknown, Unavailable, SessionExpired) as error:
            met.append(error)


@pytest.mark.parametrize(("fault", "more", "leaf", "_of_a_write"), LEAVES, ids=NAMES)
async def test_a_read_that_goes_wrong_becomes_the_right_leaf_and_goes_well_afterwards(
    proxy: Proxy, erp: TrytonErp, fault, more, leaf, _of_a_write
):
    number = await proxy.set_rule(Rule(fault=fault, calls=READS, **more))
    with pytest.raises(AdapterError) as caught:
        await erp.find_order(NOBODY)
    assert type(caught.value) is leaf
    await proxy.lift(number)
    assert await erp.find_order(NOBODY) is None


@pytest.mark.parametrize(("fault", "more", "_of_a_read", "leaf"), LEAVES, ids=NAMES)
async def test_a_sale_whose_creation_goes_wrong_is_looked_up_and_there_is_one(  # noqa: PLR0917  a table's columns
    proxy: Proxy, erp: TrytonErp, staff: Staff, fault, more, _of_a_read, leaf
):
    order = one_line()
    number = await proxy.set_rule(Rule(fault=fault, calls=CREATE, **more))
    with pytest.raises(AdapterError) as caught:
        await erp.submit_order(order)
    assert type(caught.value) is leaf
    await proxy.lift(number)
    done_at_once = await staff.count_sales(order.key.external_id)
    before = proxy.log.counts().calls

    assert_entered(order, await erp.submit_order(order))

    assert await staff.count_sales(order.key.external_id, order.number) == 1
    calls = [call.operation for call in proxy.log.after(before)]
    looked = next(place for place, call in enumerate(calls) if call == "model.sale.sale.search_read")
    assert not [call for call in proxy.log.after(before)[:looked] if WRITES in call.names]
    assert calls.count(CREATE) == (0 if done_at_once else 1)


async def test_an_answer_that_comes_after_the_adapter_gave_up_makes_no_second_sale(
    proxy: Proxy, tryton_server: TrytonAccess, staff: Staff
):
    order = two_warehouses()
    await proxy.set_rule(Rule(fault=Fault.LATE_ANSWER, calls=CREATE, times=1, seconds=60))
    async with connected(proxy, tryton_server, httpx.Timeout(3.0)) as impatient:
        with pytest.raises(OutcomeUnknown):
            await impatient.submit_order(order)
    # Another process goes on, while the first call may still be under way.
    async with connected(proxy, tryton_server) as erp:
        entered, _ = await until_entered(erp, order)
    assert_entered(order, entered)
    assert await staff.count_sales(order.key.external_id, order.number) == 1


@pytest.mark.parametrize("fault", [Fault.DROP_ANSWER, Fault.CUT, Fault.CUT_ANSWER])
async def test_the_first_answer_of_every_call_may_be_lost_and_there_is_one_sale(
    proxy: Proxy, erp: TrytonErp, staff: Staff, fault
):
    order = two_warehouses()
    await proxy.set_rule(Rule(fault=fault, nth=1, of_each_operation=True))
    entered, met = await until_entered(erp, order)
    assert_entered(order, entered)
    spoiled = {call.operation for call in proxy.log.after(0) if call.fault}
    assert {CREATE, "model.sale.sale.quote", "model.sale.sale.confirm"} <= spoiled
    assert any(isinstance(error, OutcomeUnknown) for error in met)
    assert await staff.count_sales(order.key.external_id, order.number) == 1
    sale = await staff.read_sale(order.key.external_id)
    assert sale is not None
    assert (sale.total, sale.invoiced) == (order.total, order.total)


async def test_lost_answers_by_chance_make_one_sale_each(proxy: Proxy, erp: TrytonErp, staff: Staff):
    await proxy.set_rule(Rule(fault=Fault.DROP_ANSWER, probability=0.15, seed=11))
    await proxy.set_rule(Rule(fault=Fault.CUT, probability=0.1, seed=12))
    orders = [one_line() for _ in range(4)]
    await asyncio.gather(*(until_entered(erp, order) for order in orders))
    assert proxy.log.counts().by_fault
    for order in orders:
        assert await staff.count_sales(order.key.external_id, order.number) == 1


async def test_a_session_that_expires_in_the_middle_is_renewed_once_for_all(proxy: Proxy, erp: TrytonErp):
    orders = [one_line(), one_line()]
    await proxy.set_rule(Rule(fault=Fault.EXPIRE_SESSION, calls=CREATE, nth=1))
    before = proxy.log.counts().calls
    for order in orders:
        assert_entered(order, await erp.submit_order(order))
    calls = [call for call in proxy.log.after(before) if LOGIN in call.names]
    assert len(calls) == 1


async def test_a_total_that_the_erp_tells_wrong_is_noticed_before_it_binds(
    proxy: Proxy, erp: TrytonErp, staff: Staff
):
    order = one_line()
    await proxy.set_rule(Rule(fault=Fault.REWRITE, calls=READS, field="total_amount", add=Decimal("0.01")))
    with pytest.raises(Rejected, match=r"0\.01") as caught:
        await erp.submit_order(order)
    assert caught.value.cause == "amounts_differ"
    sale = await staff.read_sale(order.key.external_id)
    assert sale is None or sale.state not in {"confirmed", "processing", "done"}


async def test_nobody_listens_while_refused(proxy: Proxy, erp: TrytonErp):
    number = await proxy.set_rule(Rule(fault=Fault.REFUSE))
    for _ in range(2):
        with pytest.raises(Unavailable):
            await erp.find_order(NOBODY)
    await proxy.lift(number)
    assert await erp.find_order(NOBODY) is None

"""Every fault of the wire between the real Shopify adapter and the real sandbox store."""

import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from adapters.errors import (
    AdapterError,
    ContractBroken,
    OutcomeUnknown,
    RateLimited,
    SessionExpired,
    Unavailable,
)
from adapters.http import TIMEOUT
from adapters.shopify.storefront import ShopifyStorefront
from domain.order import Order
from sandbox.faults.proxy import Proxy
from sandbox.faults.rules import Fault, Rule
from sandbox.faults.vendors import VENDORS
from tests.contract.storefront_requests import capture, parcel
from tests.running_store import TOKEN, RunningStore, place

IMPATIENT = httpx.Timeout(0.6, connect=2.0)
"""What the adapter gives the store where no answer comes; a busy machine may need longer for one that does."""
SILENT = frozenset({Fault.HANG, Fault.DROP_ANSWER, Fault.LATE_ANSWER, Fault.DRIP})
LEAVES: list[tuple[Fault, dict[str, Any], type[AdapterError], type[AdapterError]]] = [
    # fault, what else the rule says, what a read becomes, what a write becomes
    (Fault.CUT, {}, Unavailable, OutcomeUnknown),
    (Fault.HANG, {}, Unavailable, OutcomeUnknown),
    (Fault.DROP_ANSWER, {}, Unavailable, OutcomeUnknown),
    (Fault.LATE_ANSWER, {}, Unavailable, OutcomeUnknown),
    (Fault.DRIP, {"seconds": 60.0}, Unavailable, OutcomeUnknown),
    (Fault.CUT_ANSWER, {}, Unavailable, OutcomeUnknown),
    (Fault.RATE_LIMIT, {"retry_after": 12.0}, RateLimited, RateLimited),
    (Fault.THROTTLE, {"retry_after": 12.0}, RateLimited, RateLimited),
    (Fault.STATUS, {"status": 500}, Unavailable, OutcomeUnknown),
    (Fault.STATUS, {"status": 502, "done": True}, Unavailable, OutcomeUnknown),
    (Fault.STATUS, {"status": 503}, Unavailable, Unavailable),
    (Fault.STATUS, {"status": 504, "done": True}, Unavailable, OutcomeUnknown),
    (Fault.EXPIRE_SESSION, {}, SessionExpired, SessionExpired),
    (Fault.ERROR_INSIDE, {}, Unavailable, OutcomeUnknown),
    (Fault.BREAK_JSON, {}, ContractBroken, ContractBroken),
    (Fault.TRUNCATE, {}, ContractBroken, ContractBroken),
    (Fault.REWRITE, {"field": "order.currencyCode", "value": 5}, ContractBroken, ContractBroken),
]
NAMES = [f"{fault} {' '.join(map(str, more.values()))}".strip() for fault, more, _, _ in LEAVES]
WRITES = [leaf for leaf in LEAVES if leaf[0] is not Fault.REWRITE]


class Line:
    """The store, a proxy before it, and the adapter that speaks through it."""

    def __init__(self, store: RunningStore, proxy: Proxy) -> None:
        self.store, self.proxy = store, proxy
        self.storefront = ShopifyStorefront("shop", proxy.url, TOKEN)
        self.order_id = str(place(store))

    async def start_anew(self, patience: httpx.Timeout = TIMEOUT) -> None:
        """The adapter of another process: the first one keeps what it learned about the shop's points."""
        await self.storefront.close()
        self.storefront = ShopifyStorefront("shop", self.proxy.url, TOKEN, timeout=patience)

    async def meet(self, rule: Rule) -> int:
        """From now on calls go wrong as ``rule`` says; returns its number."""
        await self.start_anew(IMPATIENT if rule.fault in SILENT else TIMEOUT)
        return await self.proxy.set_rule(rule)

    async def order(self) -> Order:
        return await self.storefront.read_order(self.order_id)

    def since(self, number: int) -> list[tuple[str, bool]]:
        """Operations that reached the proxy since then, and whether the store got them."""
        return [(call.operation, call.forwarded) for call in self.proxy.log.after(number)]


@pytest.fixture
async def line(store: RunningStore) -> AsyncIterator[Line]:
    async with Proxy(store.url, VENDORS["shopify"]) as proxy:
        line = Line(store, proxy)
        yield line
        await line.storefront.close()


@pytest.mark.parametrize(("fault", "more", "leaf", "_of_a_write"), LEAVES, ids=NAMES)
async def test_a_read_that_goes_wrong_becomes_the_right_leaf_and_goes_well_afterwards(
    line: Line, fault, more, leaf, _of_a_write
):
    number = await line.meet(Rule(fault=fault, calls="reads", **more))
    with pytest.raises(leaf) as caught:
        await line.order()
    assert type(caught.value) is leaf
    if leaf is RateLimited:
        assert caught.value.retry_after.total_seconds() == pytest.approx(12, abs=0.1)
    assert line.proxy.log.after(0)[-1].fault is fault
    await line.proxy.lift(number)
    await line.start_anew()
    assert (await line.order()).key.external_id == line.order_id


@pytest.mark.parametrize(("fault", "more", "_of_a_read", "leaf"), WRITES, ids=NAMES[:-1])
async def test_a_fulfillment_that_goes_wrong_is_looked_up_and_there_is_one(
    line: Line, fault, more, _of_a_read, leaf
):
    order = await line.order()
    request = parcel(order, "102", {"TEE-BLK-S": 2})
    await line.meet(Rule(fault=fault, calls="fulfillmentCreate", nth=1, **more))
    with pytest.raises(leaf) as caught:
        await line.storefront.create_fulfillment(request)
    assert type(caught.value) is leaf
    done_at_once = line.store.control.read_order(line.order_id).fulfillments
    before = line.proxy.log.counts().calls

    await line.start_anew()
    made = await line.storefront.create_fulfillment(request)

    assert line.store.control.read_order(line.order_id).fulfillments == 1
    assert [f.fulfillment_id for f in (await line.order()).fulfillments] == [made.fulfillment_id]
    looked, *sent = line.since(before)[:-1]
    assert looked == ("ReadShippingState", True)
    assert sent == ([] if done_at_once else [("CreateFulfillment", True)])


async def test_a_capture_whose_answer_was_dropped_takes_the_money_once(line: Line):
    order = await line.order()
    request = capture(order, "20.00")
    await line.meet(Rule(fault=Fault.DROP_ANSWER, calls="orderCapture", nth=1))
    with pytest.raises(OutcomeUnknown):
        await line.storefront.capture_payment(request)
    await line.start_anew()
    (taken,) = await line.storefront.capture_payment(request)
    assert taken.amount == Decimal("20.00")
    assert line.store.control.read_order(line.order_id).captured == Decimal("20.00")
    assert [op for op, _ in line.since(0)].count("CapturePayment") == 1


async def test_a_cancel_whose_answer_was_dropped_cancels_once(line: Line):
    await line.meet(Rule(fault=Fault.DROP_ANSWER, calls="orderCancel", nth=1))
    with pytest.raises(OutcomeUnknown):
        await line.storefront.cancel_order(line.order_id, "the buyer called")
    await line.start_anew()
    canceled = await line.storefront.cancel_order(line.order_id, "the buyer called")
    assert canceled.canceled_at is not None
    assert line.store.control.read_order(line.order_id).canceled


async def test_nobody_listens_while_refused_and_what_was_open_is_cut(line: Line):
    await line.order()
    number = await line.proxy.set_rule(Rule(fault=Fault.REFUSE))
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"cannot be reached|did not answer"):
            await line.order()
    seen = line.proxy.log.counts().calls
    await line.proxy.lift(number)
    await line.order()
    assert line.proxy.log.counts().calls == seen + 1


async def test_a_throttled_call_is_sent_again_after_the_time_the_shop_named(line: Line):
    await line.proxy.set_rule(Rule(fault=Fault.THROTTLE, calls="order", times=2, retry_after=0.2))
    await line.order()
    first, *_, last = line.proxy.log.after(0)
    assert [call.fault for call in line.proxy.log.after(0)] == [Fault.THROTTLE, Fault.THROTTLE, None]
    assert (last.at - first.at).total_seconds() >= 0.4


async def test_a_slow_answer_that_never_pauses_too_long_is_read_to_its_end(line: Line):
    await line.start_anew(httpx.Timeout(2.0))  # of one pause
    await line.proxy.set_rule(Rule(fault=Fault.DRIP, seconds=3.0))
    began = time.monotonic()
    assert (await line.order()).key.external_id == line.order_id
    assert time.monotonic() - began > 2.5


async def test_a_call_that_follows_a_slow_answer_at_once_is_answered_too(line: Line):
    await line.proxy.set_rule(Rule(fault=Fault.DRIP, seconds=1.0))
    for _ in range(3):  # on one connection, which is free as soon as the answer is whole
        assert (await line.order()).key.external_id == line.order_id


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("currentTotalPriceSet.shopMoney.amount", {"add": Decimal("0.01")}),
        ("order.currencyCode", {"value": "EUR"}),
    ],
)
async def test_a_wrong_amount_or_currency_arrives_as_the_store_would_have_sent_it(line: Line, field, change):
    truth = await line.order()
    await line.proxy.set_rule(Rule(fault=Fault.REWRITE, field=field, **change))
    try:
        told = await line.order()
    except ContractBroken:
        return  # the adapter saw that the parts of the order contradict each other
    assert (told.total, told.currency) != (truth.total, truth.currency)


async def test_a_store_that_is_away_shows_as_unavailable(line: Line):
    await line.order()
    line.store.stop(hard=True)
    try:
        with pytest.raises(Unavailable):
            await line.order()
    finally:
        line.store.start()
    await line.order()

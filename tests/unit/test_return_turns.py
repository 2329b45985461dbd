"""Returns of one order that are settled at the same time: each is credited what its units are worth."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.failures import PATIENCE, as_application_error
from activities.return_contracts import CreditReturn, EndReturn, RefundReturn, ReturnCredited
from activities.return_turns import not_yet
from activities.returns import ReturnActivities
from adapters.memory.erp import MemoryErp
from adapters.memory.faults import Faults
from adapters.memory.storefront import MemoryStorefront
from domain.erp_order import ShipmentLine
from domain.order import Fulfillment, FulfillmentLine, Order, PaymentKind
from domain.planning import plan_sales_order
from domain.returns import ReturnAuthorization
from store.database import Database
from store.mappings import MappingCatalog
from store.return_turns import ReturnTurns
from tests.order_builder import VAT, after_leaving, make_line, make_order, make_payment, sandbox_mapping

WORTH = [Decimal("1.66"), Decimal("1.67")]
"""The tax in each of two units at 9.99 with it included: 3.33 in both of them."""


@dataclass
class Returning:
    """Two units of an order have come back, each on a return of its own: r1 and r2."""

    acts: ReturnActivities
    storefront: MemoryStorefront
    erp: MemoryErp
    faults: Faults
    order: Order

    async def credit(self, return_id: str, units: int = 1) -> ReturnCredited:
        request = CreditReturn(
            **self.act(return_id), mapping_version="", restocked={"11": units}, judged={"11": 1}
        )
        return await ActivityEnvironment().run(self.acts.credit_return, request)

    async def refund(self, return_id: str, credited: ReturnCredited) -> None:
        request = RefundReturn(
            **self.act(return_id),
            restocked={"11": 1},
            shipping=credited.shipping,
            location=credited.location,
            money=credited.money,
            rest_is_over=False,
        )
        await ActivityEnvironment().run(self.acts.refund_return, request)

    async def end(self, return_id: str) -> None:
        request = EndReturn(**self.act(return_id), reason="nothing is taken back", in_erp=False)
        await ActivityEnvironment().run(self.acts.end_return, request)

    async def settle(self, return_id: str) -> Decimal:
        """Credit and refund, as often as it takes; returns the tax credited."""
        for _ in range(100):
            try:
                credited = await self.credit(return_id)
            except ApplicationError as failure:
                if failure.type != "Conflict":
                    raise
                await asyncio.sleep(0.02)
                continue
            await self.refund(return_id, credited)
            (tax,) = credited.returned.taxes
            return tax.amount
        raise AssertionError(f"{return_id} never had its turn")

    def act(self, return_id: str) -> dict[str, object]:
        return {"key": self.order.key, "return_id": return_id, "number": return_id, "revision": 1}


@pytest.fixture
async def returning(sqlite_db: Database) -> Returning:
    mapping, faults = sandbox_mapping(), Faults()
    # Each call takes a while, so that what is done at the same time meets.
    storefront = MemoryStorefront("shop", faults=faults, latency=0.01)
    erp = MemoryErp(warehouses={"WH-EAST", "WH-WEST"}, faults=faults, latency=0.01)
    acts = ReturnActivities(
        {"shop": storefront}, erp, MappingCatalog(sqlite_db, {"shop": mapping}), sqlite_db
    )
    line = make_line("11", "TEE-BLK-M", 2, unit_price="9.99", tax_rates=VAT, taxes_included=True)
    paid = (
        make_payment("19.98", payment_id="1"),
        make_payment("19.98", PaymentKind.CAPTURE, payment_id="2", parent_id="1"),
    )
    order = make_order(lines=[line], taxes_included=True, payments=paid)
    await erp.submit_order(plan_sales_order(order, mapping))
    erp.ship_all(order.key)
    left = Fulfillment(
        fulfillment_id="f1", location="101", lines=(FulfillmentLine(line_id="11", quantity=2),)
    )
    storefront.place(after_leaving(order, {"11": 2}).model_copy(update={"fulfillments": (left,)}))
    for return_id in ("r1", "r2"):
        await erp.authorize_return(
            ReturnAuthorization(
                key=order.key,
                return_id=return_id,
                number=return_id,
                warehouse="WH-EAST",
                lines=(ShipmentLine(line_id="11", quantity=1),),
            )
        )
        erp.receive_return(order.key, return_id, {"11": 1})
    return Returning(acts, storefront, erp, faults, order)


async def test_two_at_once_are_credited_as_one_after_the_other(returning: Returning) -> None:
    taxes = await asyncio.gather(returning.settle("r1"), returning.settle("r2"))
    assert sorted(taxes) == WORTH
    order = await returning.storefront.read_order(returning.order.key.external_id)
    assert order.captured == 0, "all is given back, and no more"


async def test_another_waits_until_the_money_of_the_first_is_back(returning: Returning) -> None:
    credited = await returning.credit("r1")
    with pytest.raises(ApplicationError, match="another return of the order is being settled") as waits:
        await returning.credit("r2")
    assert not waits.value.non_retryable
    assert await returning.credit("r1") == credited, "tried again after a crash, it has the turn still"
    await returning.refund("r1", credited)
    assert (await returning.credit("r2")).money


async def test_a_try_that_failed_keeps_the_turn_for_the_next(returning: Returning) -> None:
    returning.faults.lose_answer("erp.credit_return")
    with pytest.raises(ApplicationError):
        await returning.credit("r1")
    returning.faults.lift()
    with pytest.raises(ApplicationError, match="another return of the order is being settled"):
        await returning.credit("r2")
    assert await returning.settle("r1")


async def test_an_outage_is_waited_for_as_one(returning: Returning) -> None:
    await returning.credit("r1")
    returning.faults.unavailable("erp.find_order")
    with pytest.raises(ApplicationError) as away:
        await returning.credit("r2")
    assert away.value.type == "Unavailable", "as that no tries are counted, and no person is asked"


async def test_one_that_stands_before_a_person_lets_others_go_on(returning: Returning) -> None:
    returning.faults.reject("erp.credit_return", "the period is closed", "period_closed:erp:x")
    with pytest.raises(ApplicationError, match="period is closed"):
        await returning.credit("r1")
    returning.faults.lift()
    assert await returning.settle("r2")
    assert await returning.settle("r1")


async def test_one_that_gives_nothing_back_has_no_refund_to_wait_for(returning: Returning) -> None:
    await returning.credit("r1", units=0)
    assert await returning.settle("r2")


async def test_one_that_is_given_up_lets_others_go_on(returning: Returning) -> None:
    returning.faults.unavailable("erp.credit_return")
    with pytest.raises(ApplicationError):
        await returning.credit("r1")
    returning.faults.lift()
    await returning.end("r1")
    assert await returning.settle("r2")


async def test_one_that_waits_for_a_refund_does_not_keep_the_turn(
    returning: Returning, sqlite_db: Database
) -> None:
    credited = await returning.credit("r1")
    # A refund that a person sees to takes longer than a turn.
    ReturnTurns(sqlite_db).give_back(returning.order.key, "r1")
    with pytest.raises(ApplicationError, match="credited and not refunded"):
        await returning.credit("r2")
    assert await returning.credit("r1") == credited


def test_a_turn_is_waited_for_longer_than_a_credit_and_a_refund_take():
    tries = [as_application_error(not_yet("another has it"), attempt) for attempt in range(1, PATIENCE)]
    pauses = [each.next_retry_delay for each in tries if each.next_retry_delay is not None]
    assert len(pauses) == len(tries)
    assert sum(pauses, timedelta(0)) > timedelta(minutes=2)
    assert as_application_error(not_yet("another has it"), PATIENCE).non_retryable

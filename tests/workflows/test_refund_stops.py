"""A refund stopped after the ERP has credited the return, and people refund in the storefront meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from adapters.requests import RefundLine, RefundRequest
from domain.order import Order, PaymentKind, ReturnStatus
from domain.returns import RefundPart
from tests.workflows.returning import (
    WINDOW,
    ask,
    closes_balanced,
    deliver,
    ended,
    goods,
    page,
    refunds,
    story,
    until,
    with_rules,
)
from tests.workflows.world import World
from workflows.customer_return import ReturnWorkflow
from workflows.messages import OperatorMessage
from workflows.return_messages import STOREFRONT_RETURN_CHANGED

pytestmark = pytest.mark.usefixtures("days_pass_when_told")

ADA = OperatorMessage(actor="Ada", reason="looked at it")
PROVIDER = "the payment provider refuses"


@asynccontextmanager
async def refund_refused(
    world: World, order: Order, units: dict[str, int], *, nth: int = 1
) -> AsyncIterator[str]:
    """Delivered, sent back and credited, and the ``nth`` try of the refund was refused; tells the return's id."""
    with_rules(world, WINDOW)
    async with world.working():
        await deliver(world, order)
        world.faults.reject("storefront.refund_order", PROVIDER, nth=nth)
        return_id = await ask(world, order, units)
        await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, return_id, units)
        await until(world, order, return_id, PROVIDER)
        yield return_id


def credited(world: World, order: Order) -> Decimal:
    (each,) = world.erp.orders[order.key].returns
    return each.total


async def refund_by_hand(world: World, order: Order, units: dict[str, int]) -> None:
    """Staff give back what the return is worth, with its units or as money alone."""
    told = world.storefront.orders[order.key.external_id]
    payment = next(p for p in told.payments if p.kind is PaymentKind.CAPTURE)
    part = RefundPart(payment_id=payment.payment_id, gateway=payment.gateway, amount=credited(world, order))
    lines = tuple(RefundLine(line_id=line, quantity=n) for line, n in units.items())
    await world.storefront.refund_order(
        RefundRequest(key=order.key, refund_key="by hand", lines=lines, money=(part,))
    )


async def test_money_that_was_given_back_by_hand_meanwhile_is_not_given_back_again(
    world: World, server: WorkflowEnvironment, external_id: str
) -> None:
    order = goods(external_id)
    async with refund_refused(world, order, {"12": 2}) as return_id:
        await refund_by_hand(world, order, {})
        await page(world, order, return_id).execute_update(ReturnWorkflow.resubmit_update, ADA)
        assert "USD 0.00 refunded" in (await ended(world, order, return_id)).text
        assert "No money is given back to the buyer." in await story(world, order, return_id)
        await closes_balanced(world, order, server)
    assert refunds(world, order) == credited(world, order)


@pytest.mark.parametrize("units", [{"12": 2}, {"11": 1}], ids=["all of a line", "one of three"])
async def test_a_refund_whose_answer_was_lost_is_found_and_told_and_made_no_second_time(
    world: World, server: WorkflowEnvironment, external_id: str, units: dict[str, int]
) -> None:
    order = goods(external_id)
    world.faults.lose_answer("storefront.refund_order", nth=1)
    async with refund_refused(world, order, units, nth=2) as return_id:
        assert refunds(world, order) == credited(world, order)
        await page(world, order, return_id).execute_update(ReturnWorkflow.resubmit_update, ADA)
        told = (await ended(world, order, return_id)).text
        await closes_balanced(world, order, server)
    assert f"USD {credited(world, order)} refunded" in told
    assert refunds(world, order) == credited(world, order)


@pytest.mark.parametrize("units", [{"12": 2}, {"11": 1}], ids=["all of a line", "one of three"])
async def test_what_was_refunded_by_hand_with_its_units_ends_by_hand(
    world: World, server: WorkflowEnvironment, external_id: str, units: dict[str, int]
) -> None:
    order = goods(external_id)
    async with refund_refused(world, order, units) as return_id:
        carrier = page(world, order, return_id)
        assert "end" not in (await carrier.query(ReturnWorkflow.status)).can_do
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await carrier.execute_update(ReturnWorkflow.end_update, ADA)
        assert "credited already" in str(refused.value.cause)
        await refund_by_hand(world, order, units)
        await carrier.execute_update(ReturnWorkflow.resubmit_update, ADA)
        stopped = await until(world, order, return_id, "refunded already")
        assert stopped.problem is not None
        assert stopped.problem.cause == "not_returnable"
        assert stopped.can_do == ("end", "resubmit")
        # That somebody closed it in the storefront does not say that its money went back.
        await carrier.signal(STOREFRONT_RETURN_CHANGED, ReturnStatus.CLOSED)
        assert (await carrier.query(ReturnWorkflow.status)).can_do == ("end", "resubmit")
        # Though a system refuses it first: asked for again, it is no refund that goes on.
        world.faults.reject("storefront.end_return", "not now", nth=1)
        assert not (await carrier.execute_update(ReturnWorkflow.end_update, ADA)).done
        assert "end" in (await until(world, order, return_id, "not now")).can_do
        await carrier.execute_update(ReturnWorkflow.resubmit_update, ADA)
        told = (await ended(world, order, return_id)).text
        await closes_balanced(world, order, server)
    assert "nothing refunded by Orderwright, as the money was given back by hand: looked at it." in told
    assert refunds(world, order) == credited(world, order)

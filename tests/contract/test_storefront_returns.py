"""What every storefront adapter promises about returns that it keeps itself: told, agreed to, settled, ended."""

from decimal import Decimal

import pytest

from adapters.echoes import refund_made, return_stands
from adapters.errors import OutcomeUnknown, Rejected, Unavailable
from adapters.requests import RefundLine, RefundRequest
from domain.order import Order, PaymentKind, ReturnStatus, StorefrontReturn
from tests.contract.storefront_requests import line_of, place, refund, shipped
from tests.contract.storefront_worlds import StorefrontWorld

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("returns")]


async def asked_for(world: StorefrontWorld, units: dict[str, int]) -> tuple[Order, str]:
    """An order that left whole, and the id of a return of units by SKU that its buyer asks for."""
    order = await shipped(world)
    wanted = {line_of(order, sku): n for sku, n in units.items()}
    return_id = world.ask_return(order.key.external_id, wanted)
    return await world.storefront.read_order(order.key.external_id), return_id


async def agreed(world: StorefrontWorld, units: dict[str, int]) -> tuple[Order, str]:
    order, return_id = await asked_for(world, units)
    return (await world.storefront.approve_return(order.key.external_id, return_id)).order, return_id


def one(order: Order, return_id: str) -> StorefrontReturn:
    (found,) = (each for each in order.returns if each.return_id == return_id)
    return found


def settle(
    order: Order,
    return_id: str,
    restocked: dict[str, int],
    scrapped: dict[str, int] | None = None,
    *,
    amount: str = "0",
    key: str = "back-1",
) -> RefundRequest:
    lines = [
        RefundLine(line_id=line_of(order, sku), quantity=n, location="102") for sku, n in restocked.items()
    ]
    lines += [RefundLine(line_id=line_of(order, sku), quantity=n) for sku, n in (scrapped or {}).items()]
    asked = refund(order, amount=amount, key=key)
    return asked.model_copy(update={"return_id": return_id, "lines": tuple(lines)})


async def test_an_order_tells_what_its_buyer_wants_to_send_back(storefront_world):
    order = await shipped(storefront_world)
    assert order.returns == ()
    order, return_id = await asked_for(storefront_world, {"CAP-BLK": 4, "MUG-LOGO": 1})
    wanted = one(order, return_id)
    assert wanted.status is ReturnStatus.REQUESTED
    assert wanted.number == f"{order.number}-R1"
    units: dict[str, int] = {}
    for line in wanted.lines:
        units[line.line_id] = units.get(line.line_id, 0) + line.quantity
        assert "Too big" in line.reason
        assert line.processed == 0
    assert units == {line_of(order, "CAP-BLK"): 4, line_of(order, "MUG-LOGO"): 1}
    assert len({line.id for line in wanted.lines}) == len(wanted.lines)
    second = storefront_world.ask_return(order.key.external_id, {line_of(order, "CAP-BLK"): 1})
    told = await storefront_world.storefront.read_order(order.key.external_id)
    assert [each.return_id for each in told.returns] == [return_id, second]
    assert (told.total, told.captured) == (order.total, order.captured)


async def test_a_return_is_agreed_to_once(storefront_world):
    storefront = storefront_world.storefront
    order, return_id = await asked_for(storefront_world, {"CAP-BLK": 1})
    external_id = order.key.external_id
    storefront_world.lose_answer("approve_return")
    with pytest.raises(OutcomeUnknown):
        await storefront.approve_return(external_id, return_id)
    told = await storefront.approve_return(external_id, return_id)
    assert one(told.order, return_id).status is ReturnStatus.OPEN
    assert told.echoes == (), "nobody knows whether it was agreed to by the lost call or by somebody else"
    # One that is over is left as it is.
    storefront_world.withdraw_return(external_id, return_id)
    told = await storefront.approve_return(external_id, return_id)
    assert one(told.order, return_id).status is ReturnStatus.CANCELED
    assert (await storefront.end_return(external_id, return_id, "kept")).order.returns == told.order.returns


async def test_a_return_that_nothing_came_of_is_declined_or_canceled(storefront_world):
    storefront = storefront_world.storefront
    order, return_id = await asked_for(storefront_world, {"CAP-BLK": 1})
    external_id = order.key.external_id
    told = await storefront.end_return(external_id, return_id, "the window is over")
    assert one(told.order, return_id).status is ReturnStatus.DECLINED
    assert told.echoes == (return_stands(return_id, "declined"),)
    again = await storefront.end_return(external_id, return_id, "the window is over")
    assert (again.order.returns, again.echoes) == (told.order.returns, ())
    order, return_id = await agreed(storefront_world, {"CAP-BLK": 1})
    external_id = order.key.external_id
    storefront_world.lose_answer("end_return")
    with pytest.raises(OutcomeUnknown):
        await storefront.end_return(external_id, return_id, "no goods came")
    told = (await storefront.end_return(external_id, return_id, "no goods came")).order
    assert one(told, return_id).status is ReturnStatus.CANCELED
    assert [line.current for line in told.lines] == [5, 2]
    # Its units can come back in another one.
    again = storefront_world.ask_return(external_id, {line_of(order, "CAP-BLK"): 5})
    agreed_to = await storefront.approve_return(external_id, again)
    assert len(agreed_to.order.returns) == 2
    assert agreed_to.echoes == (return_stands(again, "open", 5),)


async def test_a_return_that_is_settled_whole_is_closed(storefront_world):
    storefront = storefront_world.storefront
    order, return_id = await agreed(storefront_world, {"CAP-BLK": 4, "MUG-LOGO": 1})
    # The caps left in two parcels; two of them are fit for sale, of the others nobody sells one again.
    asked = settle(order, return_id, {"CAP-BLK": 2}, {"CAP-BLK": 2, "MUG-LOGO": 1})
    quote = await storefront.quote_refund(asked)
    assert {part.line_id: part.quantity for part in quote.parts} == {
        line_of(order, "CAP-BLK"): 4,
        line_of(order, "MUG-LOGO"): 1,
    }
    asked = asked.model_copy(update={"money": refund(order, amount=quote.presentment_total).money})
    made = await storefront.refund_order(asked)
    assert made.amount == quote.presentment_total == Decimal("113.69")
    told = await storefront.read_order(order.key.external_id)
    assert one(told, return_id).status is ReturnStatus.CLOSED
    assert [line.processed - line.quantity for line in one(told, return_id).lines] == [0] * len(
        one(told, return_id).lines
    )
    assert [line.current for line in told.lines] == [1, 1]
    assert told.total == told.captured == order.total - quote.total
    assert made.echoes == (refund_made(made.refund_id), return_stands(return_id, "closed"))
    assert await storefront.refund_order(asked) == made.model_copy(update={"echoes": ()})
    assert (await storefront.read_order(order.key.external_id)).payments == told.payments


async def test_a_return_is_settled_once_though_the_answer_was_lost(storefront_world):
    storefront = storefront_world.storefront
    order, return_id = await agreed(storefront_world, {"CAP-BLK": 2})
    asked = settle(order, return_id, {"CAP-BLK": 2}, amount="52.04")
    storefront_world.lose_request("refund_return")
    with pytest.raises(Unavailable):
        await storefront.refund_order(asked)
    assert storefront_world.truth(order.key.external_id).captured == order.captured
    storefront_world.lose_answer("refund_return")
    with pytest.raises(OutcomeUnknown):
        await storefront.refund_order(asked)
    made = await storefront.refund_order(asked)
    assert made.amount == Decimal("52.04")
    told = await storefront.read_order(order.key.external_id)
    assert one(told, return_id).status is ReturnStatus.CLOSED
    assert [p.presentment_amount for p in told.payments if p.kind is PaymentKind.REFUND] == [made.amount]
    assert storefront_world.truth(order.key.external_id).total == order.total - made.amount


async def test_what_is_not_taken_back_ends_with_the_rest_settled(storefront_world):
    storefront = storefront_world.storefront
    order, return_id = await agreed(storefront_world, {"CAP-BLK": 2, "MUG-LOGO": 1})
    await storefront.refund_order(settle(order, return_id, {"CAP-BLK": 1}, amount="26.02"))
    told = await storefront.read_order(order.key.external_id)
    assert one(told, return_id).status is ReturnStatus.OPEN
    assert sum(line.processed for line in one(told, return_id).lines) == 1
    for _ in range(2):
        told = (await storefront.end_return(order.key.external_id, return_id, "not taken back")).order
        assert one(told, return_id).status is ReturnStatus.CLOSED
    assert [line.current for line in told.lines] == [4, 2]
    with pytest.raises(Rejected) as caught:
        await storefront.refund_order(settle(order, return_id, {"MUG-LOGO": 1}, key="back-2"))
    assert caught.value.cause == "not_returnable"


async def test_two_parts_of_a_return_are_settled_one_after_the_other(storefront_world):
    storefront = storefront_world.storefront
    order, return_id = await agreed(storefront_world, {"CAP-BLK": 4})
    first = await storefront.refund_order(settle(order, return_id, {"CAP-BLK": 2}, amount="52.04"))
    second = await storefront.refund_order(
        settle(order, return_id, {"CAP-BLK": 2}, amount="52.04", key="back-2")
    )
    assert second.refund_id != first.refund_id
    told = await storefront.read_order(order.key.external_id)
    assert one(told, return_id).status is ReturnStatus.CLOSED
    assert told.captured == order.captured - Decimal("104.08")


async def test_more_than_a_payment_holds_settles_nothing(storefront_world):
    storefront = storefront_world.storefront
    order, return_id = await agreed(storefront_world, {"CAP-BLK": 2})
    await storefront.refund_order(refund(order, amount="120.00", key="goodwill"))
    before = await storefront.read_order(order.key.external_id)
    with pytest.raises(Rejected) as caught:
        await storefront.refund_order(settle(order, return_id, {"CAP-BLK": 2}, amount="52.04"))
    assert caught.value.cause == "refund_exceeds_payment"
    assert await storefront.read_order(order.key.external_id) == before


async def test_a_return_that_nobody_knows_is_refused(storefront_world):
    storefront = storefront_world.storefront
    order, return_id = await agreed(storefront_world, {"CAP-BLK": 1})
    other = await place(storefront_world)
    unknown = [(order.key.external_id, "99999999"), (other.key.external_id, return_id)]
    for external_id, wanted in unknown:
        for call in (
            storefront.approve_return(external_id, wanted),
            storefront.end_return(external_id, wanted, "gone"),
        ):
            with pytest.raises(Rejected) as caught:
                await call
            assert caught.value.cause == "return_unknown"

"""What operators ask of returns, as the command line does: a whole return, from the wish to the refund."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from domain.order import PaymentKind
from domain.return_rules import InspectionRule, ReturnRules
from tests.order_builder import make_line, make_order, sandbox_mapping
from tests.workflows.returning import WINDOW, deliver, with_rules
from tests.workflows.world import World
from web.desk.operations import CannotBeDone, OrderNotFound, order_carried, query, update
from web.desk.returns import (
    ListedReturn,
    begin_return,
    find_return,
    list_returns,
    returns_of,
    verdicts_named,
)
from workflows.messages import Attention, OperatorMessage, ReturnAsked
from workflows.order import OrderWorkflow
from workflows.return_messages import Inspection, ReturnView

pytestmark = pytest.mark.usefixtures("days_pass_when_told")


async def until(
    look: Callable[[], Awaitable[tuple[ListedReturn, ...]]], what: Callable[[ListedReturn], bool]
) -> ListedReturn:
    found: tuple[ListedReturn, ...] = ()
    for _ in range(150):
        found = await look()
        if found and what(found[0]):
            return found[0]
        await asyncio.sleep(0.1)
    raise AssertionError(found)


async def test_a_whole_return_is_driven_as_the_command_line_does(world: World, external_id: str) -> None:
    rules = ReturnRules(window_days=100, inspection=InspectionRule.ASK)
    world.replace_mapping(sandbox_mapping().model_copy(update={"returns": rules}))
    # The same SKU twice: people have to name the line.
    lines = [make_line("11", "MUG-LOGO", 2), make_line("12", "MUG-LOGO", 1)]
    order = make_order(external_id, lines=lines)
    client, key = world.client, order.key
    async with world.working():
        await world.place(order)
        await world.until_in_erp(key)
        world.erp.ship_all(key)
        await world.until(key, lambda view: view.attention is Attention.DELIVERED)

        asked = ReturnAsked(actor="Ada", reason="too small", lines={"MUG-LOGO": 3})
        assert (await begin_return(client, key, asked, known=True)).done
        again = await begin_return(client, key, asked, known=True)
        assert "no unit of MUG-LOGO left the warehouse and is in no return yet" in again.text

        listed = await until(lambda: returns_of(client, key), lambda each: each.view is not None)
        assert listed.state == "on its way"
        assert listed.view is not None
        name = await find_return(client, listed.view.number)
        assert str(name) == listed.id
        refused = await update(client, name.carried, "settle", OperatorMessage(actor="Ada"))
        assert (refused.done, refused.text) == (False, "Refused: no goods are back yet.")

        await until(
            lambda: returns_of(client, key),
            lambda each: bool(each.view and "to come" in each.view.waiting_for),
        )
        world.erp.receive_return(key, name.return_id, {"11": 2, "12": 1})
        waiting = await until(
            lambda: list_returns(client, only_open=True),
            lambda each: each.id == str(name) and each.state == "waits for a person",
        )
        assert waiting.view is not None
        with pytest.raises(CannotBeDone, match="several lines of the return: 11, 12; name one of them"):
            verdicts_named(waiting.view, ["MUG-LOGO=restock:3"])
        with pytest.raises(
            CannotBeDone, match=r"HAT.* is no line of the return; it has MUG-LOGO \(line 11\)"
        ):
            verdicts_named(waiting.view, ["HAT=restock:3"])
        with pytest.raises(CannotBeDone, match="'MUG-LOGO' is not of the form LINE=VERDICT:UNITS"):
            verdicts_named(waiting.view, ["MUG-LOGO"])
        with pytest.raises(CannotBeDone, match="verdicts are restock, scrap, reject"):
            verdicts_named(waiting.view, ["11=burn:2"])
        verdicts = verdicts_named(waiting.view, ["11=restock:1,reject:1", "12=scrap:1"])
        judged = await update(client, name.carried, "inspect", Inspection(actor="Ada", lines=verdicts))
        assert judged.done

        ended = await until(lambda: returns_of(client, key), lambda each: not each.running)
        assert ended.state == "ended"
        assert ended.view == await query(client, name.carried, "status", ReturnView)
        assert not await list_returns(client, only_open=True)
        view = await world.until(key, lambda view: view.attention is Attention.DELIVERED)
        assert [line.returned for line in view.lines] == [1, 1]
    refunds = [p for p in world.storefront.orders[external_id].payments if p.kind is PaymentKind.REFUND]
    assert sum(p.amount for p in refunds) == sum(each.total for each in world.erp.orders[key].returns)


async def test_an_ask_that_is_sent_again_after_the_order_ended_gives_nothing_back_twice(
    world: World, external_id: str
) -> None:
    """The order has no return window: it ends, comes back to life for the return, and ends again."""
    order = make_order(external_id, lines=[make_line("11", "MUG-LOGO", 2)])
    asked = ReturnAsked(message_id="one-click", actor="Ada", reason="x", lines={"11": 1}, without_goods=True)
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        for _ in range(3):
            handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
            assert (await handle.result()).outcome is Attention.CLOSED
            assert (await begin_return(world.client, order.key, asked, known=True)).done
        handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
        assert (await handle.result()).outcome is Attention.CLOSED
        assert "Ada: Asked again for a return that there is already." in await world.story(order.key)
    (back,) = world.erp.orders[order.key].returns
    refunds = [p for p in world.storefront.orders[external_id].payments if p.kind is PaymentKind.REFUND]
    assert [p.amount for p in refunds] == [back.total]


async def test_an_ask_that_is_sent_twice_is_no_refusal(
    world: World, external_id: str, days_pass_when_told: None
) -> None:
    with_rules(world, WINDOW)
    order = make_order(external_id, lines=[make_line("11", "MUG-LOGO", 2)])
    asked = ReturnAsked(message_id="one-click", actor="Ada", reason="x", lines={"11": 2})
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        await world.until(order.key, lambda view: view.attention is Attention.DELIVERED)
        for attempt in range(2):
            answer = await update(world.client, order_carried(order.key), "return", asked)
            assert answer.done, answer
            # Another update than the first to Temporal: the order itself has to know the message.
            await world.client.get_workflow_handle(order.key.workflow_id).execute_update(
                "return", asked, id=f"again-{external_id}-{attempt}"
            )
        assert len((await world.view(order.key)).returns) <= 1


async def test_an_order_that_nobody_knows_is_not_started_for_a_return(world: World, external_id: str) -> None:
    order = make_order(external_id)
    asked = ReturnAsked(actor="Ada", reason="x", lines={"11": 1})
    with pytest.raises(OrderNotFound, match="order list"):
        await begin_return(world.client, order.key, asked, known=False)
    with pytest.raises(CannotBeDone, match="no return is called"):
        await find_return(world.client, f"{order.number}-R7")


async def test_units_beside_those_of_another_return_come_back_as_well(world: World, external_id: str) -> None:
    with_rules(world, WINDOW)
    order = make_order(external_id, lines=[make_line("11", ordered=3)])
    client, key = world.client, order.key
    async with world.working():
        await deliver(world, order)
        one = ReturnAsked(actor="Ada", reason="too small", lines={"TEE-BLK-M": 1})
        for number in (1, 2, 3):
            answer = await begin_return(
                client, key, one.model_copy(update={"message_id": f"{number}"}), known=True
            )
            assert answer.done, answer.text
            await world.until(key, lambda view, number=number: len(view.returns) == number)
        again = await begin_return(client, key, one, known=True)
        assert "no unit of TEE-BLK-M left the warehouse and is in no return yet" in again.text

"""Operations people see orders, cases and returns in the console, and decide about them there."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import httpx

from adapters.memory.erp import MemoryErp
from domain.cases import CaseState
from domain.erp_order import ErpOrderState
from domain.order import Order
from domain.return_rules import InspectionRule, ReturnRules
from store.cases import Cases
from tests.console import WHO, console, message_id, read, shown
from tests.order_builder import make_line, make_order
from tests.workflows.returning import deliver, goods, with_rules
from tests.workflows.world import World
from workflows.messages import Attention
from workflows.order import OrderWorkflow

ASKED = ReturnRules(window_days=100, inspection=InspectionRule.ASK)


def path_of(order: Order) -> str:
    return f"/orders/shop/{order.key.external_id}"


def dearer(world: World, order: Order, units: int) -> None:
    """Somebody changes the total in the ERP."""
    held = world.erp.orders[order.key]
    world.erp.keep(held.model_copy(update={"total": held.total + units}))


async def until(look: Callable[[], Awaitable[httpx.Response]], words: str) -> httpx.Response:
    """Look at a page until it says these words."""
    text = ""
    for _ in range(200):
        answer = await look()
        if answer.status_code == 200 and words in (text := read(answer)):
            return answer
        await asyncio.sleep(0.1)
    raise AssertionError(f"{words!r} does not come: {text}")


async def test_a_cause_that_keeps_two_orders_is_solved_once_by_its_page(
    world: World, external_id: str
) -> None:
    world.replace_erp(MemoryErp(products={"TEE-BLK-M"}, faults=world.faults))
    orders = [make_order(f"{external_id}{n}", lines=[make_line("11", "ABC-1", 1)]) for n in (1, 2)]
    async with world.working(), console(world.client, world.database, world.mapping) as browser:
        for order in orders:
            await world.place(order)
            await world.until(order.key, lambda view: view.attention is Attention.NEEDS_ATTENTION)
        today = await until(lambda: browser.get("/"), f"{orders[1].number} ")
        for order in orders:
            assert f'href="{path_of(order)}"' in today.text
        (case,) = Cases(world.database).list()
        assert f'href="/cases/{case.id}"' in today.text
        page = read(await browser.get(path_of(orders[0])))
        for words in (
            "Needs a person since",
            "ABC-1",
            "What to do:",
            case.title,
            "Resubmit",
            "in the Temporal UI",
        ):
            assert words in page, words
        shown = await browser.get(f"/cases/{case.id}")
        assert f'action="/cases/{case.id}/map"' in shown.text
        assert "2 wait, 0 left it" in read(shown)
        decision = {"value": "TEE-BLK-M", "reason": "it is the same shirt"}
        for _ in range(2):  # a double click
            told = await browser.post(f"/cases/{case.id}/map", data=decision)
            assert 'class="refused"' not in told.text, read(told)
        for order in orders:
            await world.until_in_erp(order.key)
        solved = read(await until(lambda: browser.get(f"/cases/{case.id}"), "Resolved"))
        assert f"by {WHO}: all its orders went on after map: it is the same shirt" in solved
    found = Cases(world.database).get(case.id)
    assert found is not None
    assert found.summary.state is CaseState.RESOLVED
    assert [(act.actor, act.act) for act in found.tried] == [(WHO, "map")]
    assert len(world.erp.orders) == len(orders)


async def test_a_decision_about_an_order_names_who_made_it_and_a_double_click_counts_once(
    world: World, external_id: str, days_pass_when_told: None
) -> None:
    order = goods(external_id)
    async with world.working(), console(world.client, world.database, world.mapping) as browser:
        await world.place(order)
        await world.until_in_erp(order.key)
        page = await until(lambda: browser.get(path_of(order)), "What can be done")
        form = {"message_id": message_id(page), "reason": "the address is odd"}
        for _ in range(2):
            held = await browser.post(f"{path_of(order)}/hold", data=form)
            assert 'class="done"' in held.text, read(held)
        assert f"{WHO} put the order on hold" in read(held)
        again = await browser.post(f"{path_of(order)}/hold", data={"reason": "once more"})
        assert "Refused: ada put the order on hold already." in read(again)
        assert 'class="refused"' in again.text
        assert 'class="done"' in (await browser.post(f"{path_of(order)}/release", data={})).text
        units = {"message_id": message_id(again), "cancel.11": "2", "cancel.12": "", "kind": "customer"}
        for _ in range(2):
            canceled = await browser.post(f"{path_of(order)}/cancel", data=units)
            assert 'class="done"' in canceled.text, read(canceled)
        await world.until(order.key, lambda view: [line.canceled for line in view.lines] == [2, 0])
        story = await world.story(order.key)
    assert story.count(f"{WHO}: Put the order on hold: the address is odd.") == 1


async def test_an_order_is_canceled_whole_where_no_units_are_named(
    world: World, external_id: str, days_pass_when_told: None
) -> None:
    order = goods(external_id)
    async with world.working(), console(world.client, world.database, world.mapping) as browser:
        await world.place(order)
        await world.until_in_erp(order.key)
        form = {"reason": "the buyer called", "kind": "nonsense", "all": "yes"}
        canceled = await browser.post(f"{path_of(order)}/cancel", data=form)
        assert "canceled" in read(canceled)
        await until(lambda: browser.get("/orders?status=canceled"), order.number)
        ended = read(await browser.get(path_of(order)))
        assert "What can be done" not in ended
        refused = await browser.post(f"{path_of(order)}/hold", data={})
        assert f"order {order.key} is canceled since" in read(refused, 404)
    assert world.erp.orders[order.key].state is ErpOrderState.CANCELED
    assert world.storefront.orders[external_id].canceled_at is not None


async def test_goods_are_taken_back_inspected_and_refunded_by_their_page(
    world: World, external_id: str, days_pass_when_told: None
) -> None:
    with_rules(world, ASKED)
    order = goods(external_id)
    async with world.working(), console(world.client, world.database, world.mapping) as browser:
        await deliver(world, order)
        page = await browser.get(path_of(order))
        form = {"message_id": message_id(page), "reason": "too small", "return.11": "2", "return.12": ""}
        for _ in range(2):
            begun = await browser.post(f"{path_of(order)}/return", data=form)
            assert 'class="done"' in begun.text, read(begun)
        listed = await until(lambda: browser.get("/returns"), f"{order.number}-RO1")
        (link,) = set(re.findall(rf'href="(/returns/shop/{external_id}/[^"]+)"', listed.text))
        await until(lambda: browser.get(link), "to come")
        refused = await browser.post(f"{link}/settle", data={})
        assert "Refused: no goods are back yet." in read(refused)
        world.erp.receive_return(order.key, link.rpartition("/")[2], {"11": 2})
        back = await until(lambda: browser.get(link), "restocked, scrapped")
        assert 'name="restock.11"' in back.text
        # To go on with it would be to put all of it back in stock: nobody is offered that by another name.
        (case,) = Cases(world.database).list()
        for path in (link, path_of(order), f"/cases/{case.id}"):
            page = await browser.get(path)
            assert "/resubmit" not in page.text
            assert "/retry" not in page.text
        assert "decided on the page of each return" in read(page)
        assert "waits for a person" in read(await browser.get("/returns"))
        wrong = await browser.post(f"{link}/inspect", data={"restock.11": "1"})
        assert "Refused" in read(wrong)
        form = {"message_id": message_id(back), "restock.11": "1", "scrap.11": "1", "reject.11": "0"}
        form |= {"reason": "one is torn."}
        judged = await browser.post(f"{link}/inspect", data=form)
        assert 'class="done"' in judged.text, read(judged)
        await until(lambda: browser.get(link), "it has ended")
        ended = read(await browser.get(link))
        assert "1 restock, 1 scrap" in ended
        assert "Inspected (one is torn): " in ended
        assert f"{order.number}-RO1" not in (await browser.get("/returns")).text
        assert f"{order.number}-RO1" in (await browser.get("/returns?every=1")).text
        await until(lambda: browser.get(path_of(order)), f"{order.number}-RO1 , ended")
        assert [line.returned for line in (await world.view(order.key)).lines] == [2, 0]


async def test_two_decisions_from_one_page_are_two_and_one_that_is_loaded_anew_is_none(
    world: World, external_id: str, days_pass_when_told: None
) -> None:
    order = goods(external_id)
    async with world.working(), console(world.client, world.database, world.mapping) as browser:
        await world.place(order)
        await world.until_in_erp(order.key)
        form = {"message_id": message_id(await browser.get(path_of(order)))}
        held = await browser.post(f"{path_of(order)}/hold", data=form)
        assert held.url.path == path_of(order)
        assert "put the order on hold" in read(await browser.get(held.url))
        released = await browser.post(f"{path_of(order)}/release", data=form)
        assert 'class="done"' in released.text
        for units in ("1", "2"):
            canceled = await browser.post(f"{path_of(order)}/cancel", data=form | {"cancel.11": units})
            assert 'class="done"' in canceled.text, read(canceled)
        await world.until(order.key, lambda view: [line.canceled for line in view.lines] == [3, 0])
        assert (await browser.get(f"{path_of(order)}/hold")).url.path == path_of(order)
        assert (await world.view(order.key)).attention is Attention.WORKING
        foreign = await browser.get(held.url.copy_with(path="/"))
        assert "step under way is finished first" not in read(foreign)


async def test_what_is_accepted_is_what_was_shown(world: World, external_id: str) -> None:
    """The difference grows between the page and the decision: nobody has said that this one may stay."""
    order = make_order(external_id)
    async with world.working(), console(world.client, world.database, world.mapping) as browser:
        await world.place(order)
        await world.until_in_erp(order.key)
        dearer(world, order, 1)
        world.erp.ship_all(order.key)
        await world.until_stopped(order.key)
        (case,) = Cases(world.database).list()
        page, by_case = await browser.get(path_of(order)), await browser.get(f"/cases/{case.id}")
        dearer(world, order, 49)
        await browser.post(f"{path_of(order)}/resubmit", data={})
        await world.until(order.key, lambda view: "50.00" in (view.problem.reason if view.problem else ""))
        form = {"message_id": message_id(page), "shown": shown(page), "reason": "a dollar is nothing"}
        refused = await browser.post(f"{path_of(order)}/accept", data=form)
        assert "what this page showed has changed since" in read(refused, 409)
        form = {"shown": shown(by_case), "reason": "a dollar is nothing"}
        assert "has changed since" in read(await browser.post(f"/cases/{case.id}/accept", data=form), 409)
        assert (await world.view(order.key)).acceptances == ()
        now = await browser.get(path_of(order))
        form = {"message_id": message_id(now), "shown": shown(now), "reason": "agreed with the buyer"}
        assert 'class="done"' in (await browser.post(f"{path_of(order)}/accept", data=form)).text
        ended = await world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id).result()
    assert ended.outcome is Attention.CLOSED


async def test_a_list_that_nobody_answers_for_and_a_worker_that_is_away_do_not_hold_up_pages(
    world: World, external_id: str, days_pass_when_told: None
) -> None:
    order = goods(external_id)
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        await world.client.get_workflow_handle(order.key.workflow_id).signal("hold")
        await world.until(order.key, lambda view: view.attention is Attention.ON_HOLD)
    async with console(world.client, world.database, world.mapping, look_seconds=2) as browser:
        today = await until(lambda: browser.get("/"), "on hold")
        assert f'href="{path_of(order)}"' in today.text
        began = asyncio.get_running_loop().time()
        page = read(await browser.get(path_of(order)))
        assert asyncio.get_running_loop().time() - began < 10
        assert "did not answer within 2 s" in page
        assert "What can be done" not in page
        assert order.number in read(await browser.get("/waiting"))
    async with console(world.client, world.database, world.mapping, patience=2) as browser:
        told = await browser.post(f"{path_of(order)}/release", data={})
        assert 'class="taken"' in told.text, read(told)
        assert "Not known yet: nobody took the message" in read(told)
    async with world.working():
        await world.until(order.key, lambda view: view.attention is Attention.WORKING)


async def test_orders_that_a_decision_only_moved_say_which_case_they_wait_in(
    world: World, external_id: str
) -> None:
    world.replace_erp(MemoryErp(products={"TEE-BLK-M"}, faults=world.faults))
    moved, canceled = (make_order(f"{external_id}{n}", lines=[make_line("11", "ABC-1", 1)]) for n in (1, 2))
    async with world.working(), console(world.client, world.database, world.mapping) as browser:
        for order in (moved, canceled):
            await world.place(order)
            await world.until_stopped(order.key)
        (case,) = Cases(world.database).list()
        await browser.post(f"{path_of(canceled)}/cancel", data={"all": "yes"})
        form = {"value": "NOPE-1", "reason": "a guess"}
        await browser.post(f"/cases/{case.id}/map", data=form)
        page = await until(lambda: browser.get(f"/cases/{case.id}"), "waits in case")
        (other,) = Cases(world.database).list()
        assert f'href="/cases/{other.id}"' in page.text
        assert "is canceled now" in read(page)


async def test_an_order_whose_workflow_somebody_ended_is_told_to_be_carried_by_nobody(
    world: World, external_id: str, days_pass_when_told: None
) -> None:
    order = goods(external_id)
    async with world.working(), console(world.client, world.database, world.mapping) as browser:
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        assert "Nobody carries" not in read(await browser.get(path_of(order)))
        await handle.terminate()
        page = await until(lambda: browser.get(path_of(order)), "Nobody carries this order")
        assert "its workflow was terminated in Temporal" in read(page)
        assert "What can be done" not in read(page)


async def test_an_order_that_ended_takes_goods_back_by_its_page(world: World, external_id: str) -> None:
    order = goods(external_id)
    async with world.working(), console(world.client, world.database, world.mapping) as browser:
        await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        await until(lambda: browser.get("/orders?status=closed"), order.number)
        ended = await browser.get(path_of(order))
        assert f'action="{path_of(order)}/return"' in ended.text
        form = {"message_id": message_id(ended), "reason": "kind to him", "return.11": "1"}
        answer = await browser.post(f"{path_of(order)}/return", data=form)
        assert "comes back to life" in read(answer)
        await until(lambda: browser.get("/returns?every=1"), f"{order.number}-RO1")


async def test_an_order_that_nobody_knows_is_no_page(world: World, external_id: str) -> None:
    order = goods(external_id)
    async with console(world.client, world.database, world.mapping) as browser:
        assert f"no order {order.key} is under way" in read(await browser.get(path_of(order)), 404)
        assert "no order" in read(await browser.post(f"{path_of(order)}/hold", data={}), 404)
        assert "is under way" in read(await browser.get(f"/returns/shop/{external_id}/90001"), 404)


async def test_what_waits_for_a_system_that_is_away_is_said_to_be_taken(
    world: World, external_id: str, days_pass_when_told: None
) -> None:
    order = goods(external_id)
    async with world.working(), console(world.client, world.database, world.mapping, patience=2) as browser:
        await world.place(order)
        await world.until_in_erp(order.key)
        world.faults.unavailable("erp.*")
        answer = await browser.post(
            f"{path_of(order)}/cancel", data={"reason": "the buyer called", "all": "yes"}
        )
        assert 'class="taken"' in answer.text, read(answer)
        assert "It is done by itself." in read(answer)
        world.faults.lift()
        ended = await world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id).result()
    assert ended.outcome is Attention.CANCELED

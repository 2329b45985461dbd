"""What the adapter makes of a shop's answers about stock, where the sandbox's store would not give them."""

from typing import Any

import httpx
import pytest

from adapters.errors import ContractBroken, OutcomeUnknown, RateLimited, Rejected
from adapters.shopify.stock_setting import ROUNDS
from domain.stock import SettingState, StockSetting
from tests.shopify_answers import ScriptedShop, Waits, data, gid, page, storefront

DONE, STALE, REFUSED = SettingState.DONE, SettingState.STALE, SettingState.REFUSED


def level(
    location: int = 101, available: int = 5, committed: int = 0, *, active: bool = True
) -> dict[str, Any]:
    return {
        "location": {"id": gid("Location", location), "isActive": active},
        "quantities": [
            {"name": "committed", "quantity": committed},
            {"name": "available", "quantity": available},
        ],
    }


def item(number: int, sku: str | None, *levels: dict[str, Any], tracked: bool = True) -> dict[str, Any]:
    held = page(*(levels or (level(),)))
    return {"id": gid("InventoryItem", number), "sku": sku, "tracked": tracked, "inventoryLevels": held}


def listed(*items: dict[str, Any], after: str | None = None) -> httpx.Response:
    return data(inventoryItems=page(*items, after=after))


def answer(*errors: dict[str, Any], **tracked: bool) -> httpx.Response:
    changes = [{"item": {"id": gid("InventoryItem", n[1:]), "tracked": each}} for n, each in tracked.items()]
    group = None if errors else {"changes": changes}
    return data(inventorySetQuantities={"inventoryAdjustmentGroup": group, "userErrors": list(errors)})


def error(code: str | None, place: int | None = None, message: str = "No") -> dict[str, Any]:
    field = None if place is None else ["input", "quantities", str(place), "quantity"]
    return {"code": code, "field": field, "message": message}


SETTINGS = [
    StockSetting(sku=f"SKU-{n}", item_id=str(600 + n), location="101", available=n, change_from=9)
    for n in range(3)
]


async def outcomes(script: ScriptedShop, waits: Waits | None = None) -> list[tuple[SettingState, str]]:
    told = await storefront(script, waits).set_stock(SETTINGS, "key")
    assert [each.setting for each in told] == SETTINGS
    return [(each.state, each.cause) for each in told]


async def test_an_item_that_was_seen_is_read_by_its_id_and_others_are_looked_up() -> None:
    script = ScriptedShop(
        ListStock=[listed(item(601, "A"), item(602, None), after="c"), listed(item(603, "B"))],
        ReadStock=data(nodes=[item(601, "A", level(available=4, committed=-1), level(102, active=False))]),
    )
    shop = storefront(script)
    first = await shop.list_stock()
    assert ([each.sku for each in first.levels], first.next_cursor) == (["A"], "c")
    told = await shop.read_stock(["B", "A"])
    assert [(x.sku, x.item_id, x.location, x.available, x.committed) for x in told] == [
        ("B", "603", "101", 5, 0),
        ("A", "601", "101", 4, 0),
    ]
    assert script.operations() == ["ListStock", "ReadStock", "ListStock"]
    assert script.asked[-1][1]["query"] == 'sku:"B"'


async def test_an_item_that_carries_another_sku_by_now_is_looked_up_again() -> None:
    script = ScriptedShop(
        ListStock=[listed(item(601, "A"), item(602, "B")), listed(item(603, "A"), item(604, "a"))],
        ReadStock=[data(nodes=[item(601, "C"), item(602, "B")]), data(nodes=[item(603, "A"), None])],
    )
    shop = storefront(script)
    await shop.list_stock()
    assert [x.item_id for x in await shop.read_stock(["A", "B"])] == ["603", "602"]
    assert script.asked[-1][1]["query"] == 'sku:"A"'
    assert [x.item_id for x in await shop.read_stock(["A"])] == ["603"]


async def test_a_page_of_items_with_more_levels_is_asked_for_again_and_a_single_item_read_on() -> None:
    def cut(number: int) -> dict[str, Any]:
        return item(number, f"S{number}") | {"inventoryLevels": page(level(), after="l")}

    more = data(inventoryItem={"inventoryLevels": page(level(102))})
    whole = [item(n, f"S{n}", level(), level(102)) for n in (1, 2, 3)]
    script = ScriptedShop(
        ListStock=[listed(*map(cut, (1, 2, 3))), listed(*whole, cut(4))],
        ReadMoreLevels=more,
    )
    told = await storefront(script).list_stock()
    assert [(x.sku, x.location) for x in told.levels] == [
        (f"S{n}", location) for n in (1, 2, 3, 4) for location in ("101", "102")
    ]
    first, second = (asked for name, asked in script.asked if name == "ListStock")
    assert (second["levels"], second["after"]) == (2 * first["levels"], first["after"])
    assert second["first"] < first["first"]


@pytest.mark.parametrize("nodes", [None, {}])
async def test_nodes_that_are_no_list_break_the_contract(nodes: Any) -> None:
    script = ScriptedShop(ListStock=listed(item(601, "A")), ReadStock=data(nodes=nodes, shop=None))
    shop = storefront(script)
    await shop.list_stock()
    with pytest.raises(ContractBroken, match="nodes is no list"):
        await shop.read_stock(["A"])


async def test_what_is_in_the_way_is_taken_out_and_the_rest_sent_with_another_key() -> None:
    script = ScriptedShop(
        SetStock=[answer(error("NON_MUTABLE_INVENTORY_ITEM", 0), error("SOMETHING_NEW", 2)), answer()]
    )
    assert await outcomes(script) == [
        (REFUSED, "not_settable"),
        (DONE, ""),
        (REFUSED, "shop_refused:set stock:something_new"),
    ]
    first, second = (asked for _, asked in script.asked)
    assert first["key"] != second["key"]
    assert [each["inventoryItemId"] for each in second["input"]["quantities"]] == [gid("InventoryItem", 601)]
    assert {"name": "available", "reason": "correction"}.items() <= first["input"].items()
    assert first["input"]["referenceDocumentUri"] == "gid://orderwright/StockSetting/key"
    assert first["input"]["quantities"][0] == {
        "inventoryItemId": gid("InventoryItem", 600),
        "locationId": gid("Location", 101),
        "quantity": 0,
        "changeFromQuantity": 9,
    }


async def test_a_shop_that_names_one_bad_setting_after_the_other_is_asked_so_often_and_no_more() -> None:
    refused = error("CHANGE_FROM_QUANTITY_STALE", 0)
    assert await outcomes(ScriptedShop(SetStock=[answer(refused)] * 3)) == [(STALE, "")] * 3
    many = [SETTINGS[0].model_copy(update={"item_id": str(n)}) for n in range(1, ROUNDS + 3)]
    script = ScriptedShop(SetStock=[answer(error("INVALID_INVENTORY_ITEM", 0)) for _ in range(ROUNDS)])
    told = await storefront(script).set_stock(many, "key")
    assert [each.state for each in told] == [REFUSED] * ROUNDS + [STALE] * 2


async def test_an_attempt_that_is_under_way_is_waited_for_with_the_same_key() -> None:
    busy, waits = answer(error("IDEMPOTENCY_CONCURRENT_REQUEST")), Waits()
    script = ScriptedShop(SetStock=[busy, busy, answer()])
    assert await outcomes(script, waits) == [(DONE, "")] * 3
    assert len({asked["key"] for _, asked in script.asked}) == 1
    assert len(waits.seconds) == 2
    with pytest.raises(OutcomeUnknown, match="under way"):
        await outcomes(ScriptedShop(SetStock=[busy] * 9))


async def test_a_number_that_was_noted_for_an_item_nobody_counts_is_told_as_refused() -> None:
    script = ScriptedShop(SetStock=answer(_600=True, _601=False))
    assert await outcomes(script) == [(DONE, ""), (REFUSED, "not_tracked"), (DONE, "")]


async def test_a_refusal_that_is_about_no_setting_is_one_of_the_call() -> None:
    refused = answer(error("INVALID_REFERENCE_DOCUMENT", message="The reference is not valid"))
    with pytest.raises(Rejected, match="The reference is not valid") as caught:
        await outcomes(ScriptedShop(SetStock=refused))
    assert caught.value.cause == "shop_refused:set stock:invalid_reference_document"
    with pytest.raises(ContractBroken, match="not in the call"):
        await outcomes(ScriptedShop(SetStock=answer(error("INVALID_LOCATION", 3))))


async def test_an_answer_that_says_nothing_leaves_the_outcome_open() -> None:
    nothing = data(inventorySetQuantities={"inventoryAdjustmentGroup": None, "userErrors": []})
    with pytest.raises(OutcomeUnknown, match="neither what was set"):
        await outcomes(ScriptedShop(SetStock=nothing))


async def test_calls_about_stock_wait_where_others_would_go() -> None:
    status = {"maximumAvailable": 1000, "currentlyAvailable": 450, "restoreRate": 100}
    cost = {"cost": {"requestedQueryCost": 400, "actualQueryCost": 400, "throttleStatus": status}}

    def costly(response: httpx.Response) -> httpx.Response:
        return httpx.Response(200, json={**response.json(), "extensions": cost})

    pong = data(shop={"name": "Shop"})
    script = ScriptedShop(ListStock=costly(listed(item(601, "A"))), Probe=[costly(pong), costly(pong)])
    waits = Waits()
    shop = storefront(script, waits)
    await shop.list_stock()
    await shop.ping()
    await shop.ping()
    assert waits.seconds == []
    # nothing flows back while nobody really waits: a call that leaves half of the bucket is put off in the end
    for call in (shop.list_stock(), shop.read_stock(["A"]), shop.set_stock(SETTINGS, "key")):
        with pytest.raises(RateLimited):
            await call
    assert script.operations() == ["ListStock", "Probe", "Probe"]
    # 400 for the page and 500 for the others
    assert max(waits.seconds) == pytest.approx(4.5, abs=0.3)

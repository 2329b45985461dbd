"""Setting what a shop shows, with compare-and-set: a bad setting spoils no other, a lost answer does nothing twice.

A call sets all of its quantities or none, and says which of them were in the way. Those are taken out, with what is
wrong with them, and the rest is sent again. The idempotency key of each call is derived from the caller's key and
from what the call sets, so that a repeated call goes the same way, and the shop answers for each step that was done:
it is done.

A shop may say of a key that was refused only that it is spent. The call goes out again under another key then, and
what the first attempt did set has become stale. Whether it was this caller who set it is proven by the key: those
that show the wanted number are sent once more under the key that the first attempt gave them. A key that the shop
knows is answered as done; any other compares, finds them stale, and changes nothing.
"""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from adapters.errors import ContractBroken, OutcomeUnknown, Rejected
from adapters.shopify.answer import SYSTEM, UserError, fit
from adapters.shopify.client import AdminApi
from adapters.shopify.global_ids import gid
from adapters.shopify.stock import LEFT_TO_ORDERS, ShopStock
from adapters.shopify.stock_answers import StockSet, to_shown
from adapters.spans import looked_up
from adapters.stock_ports import MOST_STOCK
from domain.stock import SettingOutcome, SettingState, StockSetting

SET: Final = "set stock"
ROUNDS: Final = 5
"""How often what is left of a call is sent, at most; what is in the way even then is to be read and decided again."""
_WAITS: Final = (0.5, 1.0, 2.0)
"""Seconds before a call is sent again because another attempt with its key is under way."""
_KEYS: Final = uuid.UUID("6f1f3c86-6f0b-4a8b-9d5e-4c1b8a1c2f37")
"""The namespace that keys are derived in."""

_REASON: Final = "correction"
_LARGEST: Final = 2**31 - 1
"""The largest number that GraphQL knows."""

_STALE: Final = frozenset({"CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE"})
_UNDER_WAY: Final = "IDEMPOTENCY_CONCURRENT_REQUEST"
_SPENT: Final = "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"

# code -> cause, and what is wrong in words with the remedy
_REFUSALS: Final = {
    "INVALID_INVENTORY_ITEM": (
        "stock_item_unknown",
        "the shop has no inventory item {item_id} for {sku}; create the product there, or take it out of the feed",
    ),
    "INVALID_LOCATION": (
        "location_unknown",
        "the shop has no location {location}, or has closed it; map the warehouse to another location",
    ),
    "ITEM_NOT_STOCKED_AT_LOCATION": (
        "not_stocked",
        "{sku} is not stocked at location {location}; stock it there, or map the warehouse to another location",
    ),
    "NON_MUTABLE_INVENTORY_ITEM": (
        "not_settable",
        "{sku} is sold from the stock of others, as a bundle; take it out of the feed",
    ),
    "INVALID_QUANTITY_TOO_HIGH": (
        "quantity_out_of_range",
        "the shop does not count as far as {available} of {sku}; look at the unit",
    ),
    "INVALID_QUANTITY_TOO_LOW": (
        "quantity_out_of_range",
        "the shop does not count as far as {available} of {sku}; look at the unit",
    ),
    "INVALID_QUANTITY_NEGATIVE": (
        "quantity_out_of_range",
        "the shop takes no number below zero for {sku}, and {available} was to be set",
    ),
}
_UNTRACKED: Final = (
    "not_tracked",
    "the shop sells {sku} without counting it; switch tracking on there, or take it out of the feed",
)

Settings = Mapping[int, StockSetting]
"""By their place in the call."""


class StockSetter:
    """Sets quantities at one shop. ``stock`` reads what it shows."""

    def __init__(
        self,
        api: AdminApi,
        stock: ShopStock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._stock = stock
        self._sleep = sleep

    async def set(self, settings: Sequence[StockSetting], key: str) -> tuple[SettingOutcome, ...]:
        """See ``StorefrontStockPort.set_stock``. Raises Rejected where the shop refuses the call as a whole."""
        if len(settings) > MOST_STOCK:
            raise ValueError(f"{len(settings)} settings are asked for; ask for {MOST_STOCK} at most")
        outcomes = {place: wrong for place, each in enumerate(settings) if (wrong := _malformed(each))}
        left = {place: each for place, each in enumerate(settings) if place not in outcomes}
        while left:
            # A call takes each item and location once: the next setting of the same level waits for its turn.
            first_of = {(each.item_id, each.location): place for place, each in reversed(left.items())}
            now = {place: left[place] for place in sorted(first_of.values())}
            outcomes |= await self._settle(now, key)
            left = {place: each for place, each in left.items() if place not in now}
        return tuple(outcomes[place] for place in range(len(settings)))

    async def _settle(self, settings: Settings, key: str) -> dict[int, SettingOutcome]:
        outcomes: dict[int, SettingOutcome] = {}
        left, spent, unsure = dict(settings), 0, False
        for _ in range(ROUNDS):
            if not left:
                break
            answer = await self._send(list(left.values()), key, spent)
            if not answer.user_errors:
                outcomes |= {place: _done(each, answer) for place, each in left.items()}
                left = {}
            elif _SPENT in answer.codes:
                spent, unsure = spent + 1, True
            else:
                refused = _outcomes(left, answer)
                outcomes |= refused
                left, spent = {p: each for p, each in left.items() if p not in refused}, 0
        outcomes |= {p: SettingOutcome(setting=each, state=SettingState.STALE) for p, each in left.items()}
        return outcomes | (await self._proven(settings, outcomes, key) if unsure else {})

    async def _proven(
        self, settings: Settings, outcomes: Mapping[int, SettingOutcome], key: str
    ) -> dict[int, SettingOutcome]:
        """Those of the stale settings that an earlier attempt with this key has done."""
        stale = {p: each for p, each in settings.items() if outcomes[p].state is SettingState.STALE}
        items = await self._stock.items(list(dict.fromkeys(each.item_id for each in stale.values())))
        shown = {
            (level.item_id, level.location): level.available for item in items for level in to_shown(item)
        }
        likely = {p: e for p, e in stale.items() if shown.get((e.item_id, e.location)) == e.available}
        if not likely:
            return {}
        answer = await self._send(list(likely.values()), key, 0)
        looked_up(SYSTEM, "stock setting", found=not answer.user_errors)
        return {} if answer.user_errors else {place: _done(each, answer) for place, each in likely.items()}

    async def _send(self, settings: Sequence[StockSetting], key: str, spent: int) -> StockSet:
        """Set all or none; ``spent`` is how many keys for the same settings are used up."""
        wanted = {
            "name": "available",
            "reason": _REASON,
            "referenceDocumentUri": f"gid://orderwright/StockSetting/{quote(key, safe='')}",
            "quantities": [
                {
                    "inventoryItemId": gid("InventoryItem", each.item_id),
                    "locationId": gid("Location", each.location),
                    "quantity": each.available,
                    "changeFromQuantity": each.change_from,
                }
                for each in settings
            ],
        }
        derived = str(uuid.uuid5(_KEYS, json.dumps([key, spent, wanted], sort_keys=True)))
        for seconds in (*_WAITS, None):
            payload = await self._api.attempt(
                SET, "set_stock", {"input": wanted, "key": derived}, leave=LEFT_TO_ORDERS
            )
            answer = fit(StockSet, payload, SET, "inventorySetQuantities")
            if _UNDER_WAY not in answer.codes:
                break
            if seconds is None:
                raise OutcomeUnknown(SYSTEM, SET, "another attempt to set the same is still under way")
            await self._sleep(seconds)
        if not answer.user_errors and answer.inventory_adjustment_group is None:
            raise OutcomeUnknown(SYSTEM, SET, "the answer says neither what was set nor why not")
        return answer


def _malformed(setting: StockSetting) -> SettingOutcome | None:
    """What the shop could not even read would spoil the whole call: ids of another kind, more than 32 bits."""
    if not setting.item_id.isdecimal():
        return _refused(setting, *_REFUSALS["INVALID_INVENTORY_ITEM"])
    if not setting.location.isdecimal():
        return _refused(setting, *_REFUSALS["INVALID_LOCATION"])
    if abs(setting.available) > _LARGEST:
        return _refused(setting, *_REFUSALS["INVALID_QUANTITY_TOO_HIGH"])
    if abs(setting.change_from) > _LARGEST:
        return SettingOutcome(setting=setting, state=SettingState.STALE)
    return None


def _outcomes(settings: Settings, answer: StockSet) -> dict[int, SettingOutcome]:
    """What is in the way, by its place. Raises Rejected for a refusal that is about no setting."""
    places = list(settings)
    outcomes: dict[int, SettingOutcome] = {}
    for error in answer.user_errors:
        at = _place(error)
        if at is None:
            cause = f"shop_refused:{SET}" + (f":{error.code.lower()}" if error.code else "")
            raise Rejected(SYSTEM, SET, error.message, cause)
        if at >= len(places):
            raise ContractBroken(SYSTEM, SET, f"{error.field} is not in the call", error.message)
        place = places[at]
        outcomes.setdefault(place, _outcome(settings[place], error))
    return outcomes


def _place(error: UserError) -> int | None:
    """The place in the call's quantities that an error is about; None for the call as a whole."""
    path = error.field or ()
    following = path[path.index("quantities") + 1 :] if "quantities" in path else ()
    return int(following[0]) if following and following[0].isdecimal() else None


def _outcome(setting: StockSetting, error: UserError) -> SettingOutcome:
    if error.code in _STALE:
        return SettingOutcome(setting=setting, state=SettingState.STALE)
    if error.code in _REFUSALS:
        return _refused(setting, *_REFUSALS[error.code])
    if error.code is None and "track" in error.message.lower():
        return _refused(setting, *_UNTRACKED)
    cause = f"shop_refused:{SET}" + (f":{error.code.lower()}" if error.code else "")
    return SettingOutcome(setting=setting, state=SettingState.REFUSED, cause=cause, reason=error.message)


def _done(setting: StockSetting, answer: StockSet) -> SettingOutcome:
    """Done, unless the shop has noted a number that it does not sell by."""
    group = answer.inventory_adjustment_group
    items: list[Any] = [change.item for change in group.changes if change.item] if group else []
    if any(item.id == setting.item_id and not item.tracked for item in items):
        return _refused(setting, *_UNTRACKED)
    return SettingOutcome(setting=setting, state=SettingState.DONE)


def _refused(setting: StockSetting, cause: str, words: str) -> SettingOutcome:
    reason = words.format(**setting.model_dump())
    return SettingOutcome(setting=setting, state=SettingState.REFUSED, cause=cause, reason=reason)

"""Exchanges: returns that say what the buyer gets for what comes back; noted, and put on the order.

The shop notes what the buyer gets with the return, and makes lines of the order of it when it is processed. Neither
call takes an idempotency key: the first is looked up by the mark in the notes of the return's lines, the second by the
units that are processed.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from adapters.errors import OutcomeUnknown, Rejected
from adapters.requests import ExchangeRequest
from adapters.shopify import fulfillment_answers
from adapters.shopify.answer import SYSTEM, fit
from adapters.shopify.client import AdminApi
from adapters.shopify.global_ids import gid
from adapters.shopify.reading import OrderReader
from adapters.shopify.return_answers import ExchangeLine, FoundVariants, Return, ReturnStatus
from adapters.shopify.translate import SHIPPED
from adapters.spans import looked_up
from domain.order import StorefrontReturn

OPEN: Final = "open exchange"
RELEASE: Final = "release exchange"

_NOTE_LIMIT: Final = 255


class Exchanging:
    """Acts on exchanges of one shop; ``notify_customers``: it tells buyers by e-mail."""

    def __init__(self, api: AdminApi, reader: OrderReader, *, notify_customers: bool) -> None:
        self._api = api
        self._reader = reader
        self._notify_customers = notify_customers

    async def open(self, request: ExchangeRequest) -> StorefrontReturn:
        """Find or make an open return with what its buyer gets.

        Raises Rejected with cause ``not_returnable`` or ``variant_unknown``.
        """
        external_id, mark = request.key.external_id, f"[{request.exchange_key}]"
        returns = await self._reader.returns(external_id)
        known = next((each for each in returns if _is_marked(each, mark)), None)
        looked_up(SYSTEM, "return", found=known is not None)
        if known is not None:
            return await self._reader.told(known)
        state = await self._reader.shipping(external_id)
        left = [each for each in state.fulfillments if each.status in SHIPPED]
        note = f"{request.reason[: _NOTE_LIMIT - len(mark) - 1]} {mark}".strip()
        lines = [
            {
                "fulfillmentLineItemId": gid("FulfillmentLineItem", part),
                "quantity": units,
                "returnReasonNote": note,
            }
            for part, units in _units_back(request, left, returns)
        ]
        instead = [
            {"variantId": gid("ProductVariant", await self._variant(sku)), "quantity": units}
            for sku, units in request.instead.items()
        ]
        wanted = {
            "orderId": gid("Order", external_id),
            "returnLineItems": lines,
            "exchangeLineItems": instead,
        }
        payload = await self._api.write(OPEN, "create_return", {"input": wanted})
        if payload.get("return") is None:
            raise OutcomeUnknown(SYSTEM, OPEN, "the shop names neither a return nor a reason against it")
        return await self._reader.told(fit(Return, payload["return"], OPEN, "returnCreate.return"))

    async def release(self, external_id: str, return_id: str) -> None:
        """Put on the order what is not on it yet. Raises Rejected, cause ``return_unknown`` or ``exchange_closed``."""
        held = await self._held(external_id, return_id)
        waiting = [part for part in held.exchange_line_items.nodes if part.unprocessed_quantity]
        looked_up(SYSTEM, "exchange", found=not waiting)
        if not waiting:
            return
        if held.status is not ReturnStatus.OPEN:
            reason = f"return {held.name} is {held.status.lower()}, so nothing is to be sent for it any more"
            raise Rejected(SYSTEM, RELEASE, reason, "exchange_closed")
        wanted = {
            "returnId": gid("Return", return_id),
            "exchangeLineItems": [_input(part) for part in waiting],
            "notifyCustomer": self._notify_customers,
        }
        try:
            payload = await self._api.write(RELEASE, "process_return", {"input": wanted})
        except Rejected:
            # an earlier attempt may have got through in the meantime
            now = await self._held(external_id, return_id)
            if any(part.unprocessed_quantity for part in now.exchange_line_items.nodes):
                raise
            return
        if payload.get("return") is None:
            raise OutcomeUnknown(SYSTEM, RELEASE, "the shop names neither a return nor a reason against it")

    async def _held(self, external_id: str, return_id: str) -> Return:
        returns = await self._reader.returns(external_id)
        held = next((each for each in returns if each.id == return_id), None)
        if held is None:
            reason = f"the shop has no return {return_id} of order {external_id} that this app may read"
            raise Rejected(SYSTEM, RELEASE, reason, "return_unknown")
        return held

    async def _variant(self, sku: str) -> str:
        """The id of what is sold under a SKU. Raises Rejected with cause ``variant_unknown``."""
        quoted = sku.replace("\\", "").replace('"', "")
        data = await self._api.read(OPEN, "find_variants", {"query": f'sku:"{quoted}"'})
        found = fit(FoundVariants, data.get("productVariants"), OPEN, "productVariants")
        # A search finds more than what is asked for: words are enough for it.
        same = [each.id for each in found.nodes if each.sku == sku]
        if len(same) != 1:
            told = f"sells {len(same)} variants" if same else "sells nothing"
            reason = f"the shop {told} with the SKU {sku!r}; correct it, or mend it there"
            raise Rejected(SYSTEM, OPEN, reason, f"variant_unknown:{sku}")
        return same[0]


def _is_marked(held: Return, mark: str) -> bool:
    return any(mark in line.return_reason_note for line in held.return_line_items.nodes)


def _units_back(
    request: ExchangeRequest, left: Iterable[fulfillment_answers.Fulfillment], returns: Iterable[Return]
) -> list[tuple[str, int]]:
    """Units by line of a parcel, of those that are in no return yet. Raises Rejected with cause ``not_returnable``."""
    taken: Counter[str] = Counter()
    for each in returns:
        over = each.status in {ReturnStatus.CANCELED, ReturnStatus.DECLINED, ReturnStatus.CLOSED}
        for line in each.return_line_items.nodes:
            if line.fulfillment_line_item is not None:
                units = line.processed_quantity if over else line.quantity
                taken[line.fulfillment_line_item.id] += units
    wanted, found = Counter(request.lines), []
    for fulfillment in left:
        for part in fulfillment.fulfillment_line_items.nodes:
            units = min(wanted[part.line_item.id], part.quantity - taken[part.id])
            if units > 0:
                wanted[part.line_item.id] -= units
                found.append((part.id, units))
    if missing := +wanted:
        words = ", ".join(f"{units} units of line {line}" for line, units in missing.items())
        reason = f"{words} are to come back, and have not left or are in another return"
        raise Rejected(SYSTEM, OPEN, reason, "not_returnable")
    return found


def _input(part: ExchangeLine) -> dict[str, Any]:
    return {"id": gid("ExchangeLineItem", part.id), "quantity": part.unprocessed_quantity}

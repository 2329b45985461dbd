"""Answers in the form in which Shopify gives them, and a shop that gives them one after the other.

Every builder is complete and consistent by default: override what a test is about.
"""

import json
import re
from collections import defaultdict
from decimal import Decimal
from typing import Any

import httpx

from adapters.shopify import answers
from adapters.shopify.answer import fit
from adapters.shopify.storefront import ShopifyStorefront
from adapters.shopify.translate import to_order
from domain.order import Order, OrderKey

URL = "https://test.myshopify.com"
TOKEN = "shpat_secret"


def gid(kind: str, number: int | str) -> str:
    return f"gid://shopify/{kind}/{number}"


def money(amount: str, presentment: str | None = None) -> dict[str, Any]:
    both = {"shopMoney": {"amount": amount}}
    if presentment is not None:
        both["presentmentMoney"] = {"amount": presentment}
    return both


def page(*nodes: dict[str, Any], after: str | None = None) -> dict[str, Any]:
    return {"nodes": list(nodes), "pageInfo": {"hasNextPage": after is not None, "endCursor": after}}


def tax(title: str, rate: float | None, amount: str, percentage: float | None = None) -> dict[str, Any]:
    return {"title": title, "rate": rate, "ratePercentage": percentage, "priceSet": money(amount)}


def discount(amount: str, *, order: bool = False, code: str | None = None, **more: Any) -> dict[str, Any]:
    application = {
        "__typename": "DiscountCodeApplication" if code else "ManualDiscountApplication",
        "allocationMethod": "ACROSS" if order else "EACH",
        "targetSelection": "ALL" if order else "EXPLICIT",
        "targetType": "LINE_ITEM",
        **({"code": code} if code else {"title": "Sorry"}),
    }
    return {"allocatedAmountSet": money(amount), "discountApplication": application | more}


def line(number: int, sku: str | None, quantity: int, price: str, **more: Any) -> dict[str, Any]:
    return {
        "id": gid("LineItem", number),
        "sku": sku,
        "name": f"Product {sku}",
        "quantity": quantity,
        "currentQuantity": quantity,
        "nonFulfillableQuantity": 0,
        "customAttributes": [],
        "requiresShipping": True,
        "originalUnitPriceSet": money(price),
        "discountAllocations": [],
        "taxLines": [],
        **more,
    }


def line_units(number: int, refundable: int, *, unfulfilled: int = 0, **more: Any) -> dict[str, Any]:
    """A line as refunds look at it."""
    return {
        "id": gid("LineItem", number),
        "quantity": refundable,
        "currentQuantity": refundable,
        "refundableQuantity": refundable,
        "unfulfilledQuantity": unfulfilled,
        **more,
    }


def shipping(price: str, *, code: str | None = "standard", **more: Any) -> dict[str, Any]:
    discounts = (_shop(d["allocatedAmountSet"]) for d in more.get("discountAllocations", []))
    return {
        "id": gid("ShippingLine", 700),
        "title": "Standard",
        "code": code,
        "isRemoved": False,
        "originalPriceSet": money(price),
        "currentDiscountedPriceSet": money(str(Decimal(price) - sum(discounts, Decimal(0)))),
        "discountAllocations": [],
        "taxLines": [],
        **more,
    }


def address(**more: Any) -> dict[str, Any]:
    return {
        "name": "Ada Byron",
        "firstName": "Ada",
        "lastName": "Byron",
        "company": None,
        "address1": "1 Main Street",
        "address2": None,
        "city": "New York",
        "zip": "10001",
        "provinceCode": "NY",
        "countryCodeV2": "US",
        "phone": None,
        **more,
    }


def transaction(
    number: int,
    kind: str,
    amount: str,
    *,
    presentment: str | None = None,
    parent: int | None = None,
    status: str = "SUCCESS",
    **more: Any,
) -> dict[str, Any]:
    return {
        "id": gid("OrderTransaction", number),
        "kind": kind,
        "status": status,
        "gateway": "shopify_payments",
        "multiCapturable": True,
        "errorCode": None,
        "amountSet": money(amount, presentment or amount),
        "parentTransaction": {"id": gid("OrderTransaction", parent)} if parent else None,
        **more,
    }


def fulfillment_order(
    number: int,
    location: int | None,
    *lines: tuple[int, int, int],
    status: str = "OPEN",
    after: str | None = None,
) -> dict[str, Any]:
    """``lines``: line id, units in all, units remaining."""
    return {
        "id": gid("FulfillmentOrder", number),
        "status": status,
        "assignedLocation": {"location": {"id": gid("Location", location)} if location else None},
        "lineItems": page(*(fulfillment_order_line(number, *each) for each in lines), after=after),
    }


def fulfillment_order_line(plan: int, line_id: int, total: int, remaining: int) -> dict[str, Any]:
    return {
        "id": gid("FulfillmentOrderLineItem", f"{plan}{line_id}"),
        "totalQuantity": total,
        "remainingQuantity": remaining,
        "lineItem": {"id": gid("LineItem", line_id)},
    }


def fulfillment(
    number: int,
    location: int | None,
    *lines: tuple[int, int],
    tracking: str | None = "1Z1",
    status: str = "SUCCESS",
    after: str | None = None,
) -> dict[str, Any]:
    """``lines``: line id, units."""
    return {
        "id": gid("Fulfillment", number),
        "status": status,
        "location": {"id": gid("Location", location)} if location else None,
        "trackingInfo": [{"company": "UPS", "number": tracking}] if tracking else [],
        "fulfillmentLineItems": page(*(fulfillment_line(*each) for each in lines), after=after),
    }


def fulfillment_line(line_id: int, units: int) -> dict[str, Any]:
    return {"quantity": units, "lineItem": {"id": gid("LineItem", line_id)}}


def order(*lines: dict[str, Any], charges: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    """An order whose totals follow from its whole lines; give the totals where some units were removed."""
    parts = [*lines, *charges]
    gross = sum(
        (
            Decimal(each["originalUnitPriceSet"]["shopMoney"]["amount"]) * each["quantity"]
            if "quantity" in each
            else Decimal(each["originalPriceSet"]["shopMoney"]["amount"])
            for each in parts
        ),
        Decimal(0),
    )
    discounts = sum(
        (_shop(d["allocatedAmountSet"]) for each in parts for d in each["discountAllocations"]), Decimal(0)
    )
    taxes: dict[tuple[str, float], Decimal] = defaultdict(Decimal)
    for each in parts:
        for one in each["taxLines"]:
            taxes[one["title"], one["rate"]] += _shop(one["priceSet"])
    total_tax = sum(taxes.values(), Decimal(0))
    total = gross - discounts + (0 if more.get("taxesIncluded") else total_tax)
    return {
        "id": gid("Order", 5001),
        "name": "#1001",
        "createdAt": "2026-07-01T10:00:00Z",
        "cancelledAt": None,
        "test": False,
        "note": None,
        "email": "ada@example.com",
        "phone": None,
        "currencyCode": "USD",
        "presentmentCurrencyCode": "USD",
        "taxesIncluded": False,
        "customAttributes": [],
        "risk": {"recommendation": "NONE", "assessments": []},
        "currentTotalPriceSet": money(str(total), str(total)),
        "currentTotalTaxSet": money(str(total_tax)),
        "currentTotalDiscountsSet": money(str(discounts)),
        "currentTotalDutiesSet": None,
        "dutiesIncluded": False,
        "additionalFees": [],
        "totalTipReceivedSet": money("0.00"),
        "currentTaxLines": [tax(title, rate, str(amount)) for (title, rate), amount in taxes.items()],
        "customer": {
            "id": gid("Customer", 900),
            "displayName": "Ada Byron",
            "defaultEmailAddress": {"emailAddress": "ada@example.com"},
        },
        "purchasingEntity": {"__typename": "Customer"},
        "billingAddress": address(),
        "shippingAddress": address(),
        "lineItems": page(*lines),
        "shippingLines": page(*charges),
        "transactionsCount": {"count": 1},
        "transactions": [transaction(801, "AUTHORIZATION", str(total))],
        "fulfillmentOrders": page(),
        "fulfillmentsCount": {"count": 0},
        "fulfillments": [],
        "returns": {"nodes": []},
        **more,
    }


def listed_order(
    number: int, *fulfilled: tuple[str, int], count: int | None = None, **more: Any
) -> dict[str, Any]:
    """An order as lists show it; ``fulfilled`` are its fulfillments: status and units."""
    return {
        "id": gid("Order", number),
        "name": f"#{number}",
        "createdAt": "2026-07-01T12:30:15Z",
        "updatedAt": "2026-07-01T12:31:15Z",
        "currentTotalPriceSet": {"shopMoney": {"amount": "19.90"}},
        "cancelledAt": None,
        "test": False,
        "fulfillmentsCount": {"count": len(fulfilled) if count is None else count},
        "fulfillments": [{"status": status, "totalQuantity": units} for status, units in fulfilled],
    } | more


def _shop(both: dict[str, Any]) -> Decimal:
    return Decimal(both["shopMoney"]["amount"])


def data(**fields: Any) -> httpx.Response:
    return httpx.Response(200, json={"data": fields})


def errors(*found: dict[str, Any], **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"errors": list(found), **more})


Step = httpx.Response | Exception


KEY = OrderKey(channel="shop", external_id="5001")


class ScriptedShop(httpx.AsyncBaseTransport):
    """Answers each operation with the steps that were laid down for it, in turn, and remembers what was asked."""

    def __init__(self, **steps: Step | list[Step]) -> None:
        self._steps = {
            name: list(given) if isinstance(given, list) else [given] for name, given in steps.items()
        }
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        operation = re.findall(r"^(?:query|mutation) (\w+)", body["query"], re.MULTILINE)
        assert len(operation) == 1, "one document holds one operation"
        self.asked.append((operation[0], body["variables"]))
        self.requests.append(request)
        steps = self._steps.get(operation[0])
        assert steps, f"nothing was laid down for {operation[0]}"
        step = steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def operations(self) -> list[str]:
        return [name for name, _ in self.asked]

    def variables(self, operation: str) -> dict[str, Any]:
        """Of the one time it was asked."""
        (found,) = [variables for name, variables in self.asked if name == operation]
        return found


class Waits:
    """Takes the place of sleeping and remembers for how long."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def storefront(script: ScriptedShop, waits: Waits | None = None, **more: Any) -> ShopifyStorefront:
    """The adapter of a scripted shop."""
    return ShopifyStorefront("shop", URL, TOKEN, transport=script, sleep=waits or Waits(), **more)


def read(answer: dict[str, Any]) -> Order:
    """The order that an answer is translated to."""
    # through text, as it comes: rates are JSON numbers, amounts JSON strings
    decoded = json.loads(json.dumps(answer), parse_float=Decimal)
    return to_order(fit(answers.Order, decoded, "read order", "order"), "shop")

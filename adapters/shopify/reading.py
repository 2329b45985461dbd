"""Reads orders, page after page, until the answer is whole."""

from typing import Any, Final, TypeVar

from adapters.errors import ContractBroken, Rejected
from adapters.shopify.answer import SYSTEM, AnswerModel, Count, Node, Page, fit
from adapters.shopify.answers import (
    DutiesOfOrder,
    LineDuties,
    LineItem,
    Order,
    PaymentState,
    ShippingLine,
    ShippingState,
)
from adapters.shopify.client import AdminApi
from adapters.shopify.fulfillment_answers import (
    Fulfillment,
    FulfillmentLine,
    FulfillmentOrder,
    FulfillmentOrderLine,
)
from adapters.shopify.global_ids import gid
from adapters.shopify.pricing import READ_ORDER
from adapters.shopify.refund_answers import LineUnits, RefundState
from adapters.shopify.return_answers import (
    ExchangeLine,
    Return,
    ReturnLine,
    ReturnsOfOrder,
    ReverseLine,
    ReverseOrder,
    Variant,
)
from adapters.shopify.translate import to_return
from domain.order import StorefrontReturn

DutiedLine = TypeVar("DutiedLine", LineItem, LineUnits)

# As many as read_order.graphql asks for. These two lists have no cursor, only a count.
FIRST_TRANSACTIONS: Final = 10
FIRST_FULFILLMENTS: Final = 5


class OrderReader:
    """Reads what is asked of one order, whole. Every method raises Rejected, cause ``order_unknown``."""

    def __init__(self, api: AdminApi) -> None:
        self._api = api
        self._variants: dict[str, str] = {}
        """What people call a variant, by its id."""

    async def order(self, external_id: str) -> Order:
        """The order with all its lines, transactions, fulfillment orders and fulfillments."""
        order = await self.part(Order, READ_ORDER, "read_order", external_id)
        transactions = order.transactions
        if _exceeds(order.transactions_count, FIRST_TRANSACTIONS):
            transactions = (await self.payments(external_id, _number(order.transactions_count))).transactions
        shipping = ShippingState(
            fulfillment_orders=order.fulfillment_orders,
            fulfillments_count=order.fulfillments_count,
            fulfillments=order.fulfillments,
        )
        shipping = await self._whole_shipping(shipping, external_id, FIRST_FULFILLMENTS)
        lines = await self._rest(
            LineItem, order.line_items, "read_more_lines", gid("Order", external_id), "lineItems"
        )
        if order.original_total_duties_set is not None and not order.duties_included:
            lines = await self._with_duties(lines, external_id)
        charges = await self._rest(
            ShippingLine,
            order.shipping_lines,
            "read_more_shipping_lines",
            gid("Order", external_id),
            "shippingLines",
        )
        return order.model_copy(
            update={
                "line_items": lines,
                "shipping_lines": charges,
                "transactions": transactions,
                "fulfillment_orders": shipping.fulfillment_orders,
                "fulfillments": shipping.fulfillments,
            }
        )

    async def payments(self, external_id: str, first: int = FIRST_TRANSACTIONS) -> PaymentState:
        """All transactions of the order."""
        state = await self.part(PaymentState, "read payments", "read_transactions", external_id, first=first)
        if _exceeds(state.transactions_count, first):
            return await self.payments(external_id, _number(state.transactions_count))
        return state

    async def shipping(self, external_id: str, first: int = FIRST_FULFILLMENTS) -> ShippingState:
        """All fulfillment orders and fulfillments of the order."""
        operation = "read fulfillments"
        state = await self.part(
            ShippingState, operation, "read_shipping_state", external_id, fulfillments=first
        )
        return await self._whole_shipping(state, external_id, first)

    async def refunds(self, external_id: str) -> RefundState:
        """What a refund is decided on."""
        state = await self.part(RefundState, "read refunds", "read_refunds", external_id)
        lines = await self._rest(
            LineUnits, state.line_items, "read_more_line_units", gid("Order", external_id), "lineItems"
        )
        if state.original_total_duties_set is not None and not state.duties_included:
            lines = await self._with_duties(lines, external_id)
        return state.model_copy(update={"line_items": lines})

    async def _with_duties(self, lines: Page[DutiedLine], external_id: str) -> Page[DutiedLine]:
        """The lines with their duties, which are read apart."""
        first = await self.part(DutiesOfOrder, READ_ORDER, "read_duties", external_id)
        found = await self._rest(
            LineDuties, first.line_items, "read_duties", gid("Order", external_id), "lineItems"
        )
        duties = {line.id: line.duties for line in found.nodes}
        nodes = [line.model_copy(update={"duties": duties.get(line.id, ())}) for line in lines.nodes]
        return lines.model_copy(update={"nodes": tuple(nodes)})

    async def returns(self, external_id: str) -> tuple[Return, ...]:
        """All returns of the order, the earliest first."""
        first = await self.part(ReturnsOfOrder, READ_ORDER, "read_returns", external_id)
        page = await self._rest(Return, first.returns, "read_returns", gid("Order", external_id), "returns")
        return tuple(
            [
                each.model_copy(
                    update={
                        "return_line_items": await self.return_lines(each),
                        "exchange_line_items": await self.exchange_lines(each),
                    }
                )
                for each in page.nodes
            ]
        )

    async def return_lines(self, held: Return) -> Page[ReturnLine]:
        """All lines of a return."""
        return await self._rest(
            ReturnLine,
            held.return_line_items,
            "read_more_return_lines",
            gid("Return", held.id),
            "returnLineItems",
        )

    async def exchange_lines(self, held: Return) -> Page[ExchangeLine]:
        """All that the buyer gets for a return."""
        return await self._rest(
            ExchangeLine,
            held.exchange_line_items,
            "read_more_exchange_lines",
            gid("Return", held.id),
            "exchangeLineItems",
        )

    async def told(self, held: Return) -> StorefrontReturn:
        """The return in the words of the house. What its buyer gets is known by its SKU."""
        waiting = [x.variant_id for x in held.exchange_line_items.nodes if not x.line_items and x.variant_id]
        return to_return(held, {each: await self._variant_name(each) for each in waiting})

    async def _variant_name(self, variant_id: str) -> str:
        if variant_id not in self._variants:
            operation, wanted = "read variant", {"id": gid("ProductVariant", variant_id)}
            data = await self._api.read(operation, "read_variant", wanted)
            variant = fit(Variant, data.get("productVariant") or {}, operation, "productVariant")
            self._variants[variant_id] = variant.sku or variant.title or f"variant {variant_id}"
        return self._variants[variant_id]

    async def reverse_lines(self, expected: ReverseOrder) -> ReverseOrder:
        """A reverse fulfillment order with all its lines."""
        lines = await self._rest(
            ReverseLine,
            expected.line_items,
            "read_more_reverse_lines",
            gid("ReverseFulfillmentOrder", expected.id),
            "lineItems",
        )
        return expected.model_copy(update={"line_items": lines})

    async def part(
        self, model: type[AnswerModel], operation: str, name: str, external_id: str, **variables: Any
    ) -> AnswerModel:
        """What the query document ``name`` says of an order."""
        data = await self._api.read(operation, name, {"id": gid("Order", external_id), **variables})
        if data.get("order") is None:
            reason = (
                f"the shop has no order {external_id} that this app may read"
                " (orders older than 60 days need the access scope read_all_orders)"
            )
            raise Rejected(SYSTEM, operation, reason, "order_unknown")
        return fit(model, data["order"], operation, "order")

    async def _whole_shipping(self, state: ShippingState, external_id: str, first: int) -> ShippingState:
        if _exceeds(state.fulfillments_count, first):
            return await self.shipping(external_id, _number(state.fulfillments_count))
        plans = await self._rest(
            FulfillmentOrder,
            state.fulfillment_orders,
            "read_more_fulfillment_orders",
            gid("Order", external_id),
            "fulfillmentOrders",
        )
        whole_plans = [await self._whole_plan(plan) for plan in plans.nodes]
        return ShippingState(
            fulfillment_orders=plans.model_copy(update={"nodes": tuple(whole_plans)}),
            fulfillments=tuple([await self._whole_fulfillment(each) for each in state.fulfillments]),
        )

    async def _whole_plan(self, plan: FulfillmentOrder) -> FulfillmentOrder:
        lines = await self._rest(
            FulfillmentOrderLine,
            plan.line_items,
            "read_more_fulfillment_order_lines",
            gid("FulfillmentOrder", plan.id),
            "lineItems",
        )
        return plan.model_copy(update={"line_items": lines})

    async def _whole_fulfillment(self, fulfillment: Fulfillment) -> Fulfillment:
        lines = await self._rest(
            FulfillmentLine,
            fulfillment.fulfillment_line_items,
            "read_more_fulfillment_lines",
            gid("Fulfillment", fulfillment.id),
            "fulfillmentLineItems",
        )
        return fulfillment.model_copy(update={"fulfillment_line_items": lines})

    async def _rest(
        self, node: type[Node], page: Page[Node], name: str, owner: str, field: str
    ) -> Page[Node]:
        """Follow a list to its end with the document ``name``, whose one root field holds ``field``."""
        nodes = list(page.nodes)
        while page.page_info.has_next_page:
            after = page.page_info.end_cursor
            data = await self._api.read(READ_ORDER, name, {"id": owner, "after": after})
            root = next(iter(data.values()))
            following = fit(Page[node], (root or {}).get(field), READ_ORDER, field)  # type: ignore[valid-type]
            if following.page_info.has_next_page and following.page_info.end_cursor == after:
                raise ContractBroken(
                    SYSTEM, READ_ORDER, f"{field}: the next page begins where the last one did"
                )
            nodes += following.nodes
            page = following
        return page.model_copy(update={"nodes": tuple(nodes)})


def _exceeds(count: Count | None, first: int) -> bool:
    return count is not None and count.count > first


def _number(count: Count | None) -> int:
    return count.count if count else 0

"""Runs GraphQL documents: the subset schema, the root fields, and the idempotency that Shopify asks for."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    execute_sync,
    get_directive_values,
    get_named_type,
    is_composite_type,
)

from sandbox.store import catalog_views as views
from sandbox.store import jobs, returning
from sandbox.store.mutations import Mutations
from sandbox.store.notation import gid, number
from sandbox.store.order_views import OrderViews
from sandbox.store.outbox import Outbox
from sandbox.store.return_mutations import ReturnMutations
from sandbox.store.schema import NEEDS_IDEMPOTENCY_KEY, store_schema
from sandbox.store.search import MAX_PAGE, connection, find_orders
from sandbox.store.state import State
from sandbox.store.throttle import CONNECTION_COST, MUTATION_COST
from sandbox.store.variant_search import find_variants

REFUSED_KEYS: Final = "refused_keys"
"""Setting of the state: what a key answers that was refused once, see ``stock_desk.KeyKnobs``."""
SAYS_SPENT: Final = frozenset({"inventorySetQuantities"})
"""Mutations that have a code for that."""


class Api:
    """One app's view of the store."""

    def __init__(self, state: State, outbox: Outbox, shop_domain: str) -> None:
        self._state = state
        self._shop_domain = shop_domain
        self._mutations = Mutations(state, outbox)
        self._return_mutations = ReturnMutations(state, outbox)

    def execute(
        self,
        document: DocumentNode,
        variables: Mapping[str, Any],
        operation_name: str | None,
        job_delay: float,
    ) -> tuple[ExecutionResult, int]:
        """Run a valid document. Returns its result and what it cost in points."""
        spent = _Spent()
        mutations = self._mutations
        mutations.job_delay = job_delay
        result = execute_sync(
            store_schema(),
            document,
            root_value={**self._queries(), **self._writes()},
            variable_values=dict(variables),
            operation_name=operation_name,
            field_resolver=spent.resolve,
        )
        return result, spent.points

    def _writes(self) -> dict[str, Any]:
        mutations = self._mutations
        writes: dict[str, Callable[..., Any]] = {
            "fulfillmentCreate": mutations.create_fulfillment,
            "fulfillmentOrderMove": mutations.move_fulfillment_order,
            "fulfillmentOrderOpen": mutations.open_fulfillment_order,
            "fulfillmentOrderReleaseHold": mutations.release_hold,
            "orderCapture": mutations.capture,
            "orderCancel": mutations.cancel,
            **self._return_mutations.resolvers(),
        }
        with_key: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
            "inventorySetQuantities": (mutations.set_quantities, mutations.set_quantities_view),
            "refundCreate": (mutations.refund, mutations.refund_view),
        }
        assert with_key.keys() == NEEDS_IDEMPOTENCY_KEY
        return {
            **{name: _without_key(act) for name, act in writes.items()},
            **{name: self._once(act, view) for name, (act, view) in with_key.items()},
        }

    def _queries(self) -> dict[str, Any]:
        state = self._state
        return {
            "shop": lambda _info: views.shop_view(self._shop_domain),
            "currentAppInstallation": lambda _info: views.installation_view(),
            "order": lambda _info, id: self._order(id),  # noqa: A006  GraphQL's name
            "orders": self._orders,
            "nodes": lambda _info, ids: self._nodes(ids),
            "fulfillment": lambda _info, id: self._fulfillment(id),  # noqa: A006
            "fulfillmentOrder": lambda _info, id: self._plan(id),  # noqa: A006
            "return": lambda _info, id: self._return(id),  # noqa: A006
            "reverseFulfillmentOrder": lambda _info, id: self._reverse_order(id),  # noqa: A006
            "job": lambda _info, id: self._job(id),  # noqa: A006
            "location": lambda _info, id=None: views.location_view(  # noqa: A006
                state, number(id, "Location") or 0 if id else min(state.locations())
            ),
            "locations": self._locations,
            "productVariant": lambda _info, id: self._variant(id),  # noqa: A006
            "productVariants": lambda _info, query=None, **page: _shown(
                find_variants(state, query, "id", **page), lambda each: views.variant_view(state, each)
            ),
            "inventoryItem": lambda _info, id: self._item(id),  # noqa: A006
            "inventoryItems": lambda _info, query=None, **page: _shown(
                find_variants(state, query, "inventory_item_id", **page),
                lambda each: views.item_view(state, each),
            ),
        }

    def _locations(self, info: views.Info, *, includeInactive: bool = False, **page: Any) -> views.View:  # noqa: N803
        shown = self._state.locations().keys() - (
            set() if includeInactive else self._state.closed_locations()
        )
        found = [v for v in (views.location_view(self._state, i) for i in sorted(shown)) if v]
        return connection(lambda: found)(info, **page)

    def _order(self, order_id: str) -> views.View | None:
        order = self._state.order(number(order_id, "Order") or 0)
        return OrderViews(self._state, order).view() if order else None

    def _nodes(self, ids: list[str]) -> list[views.View | None]:
        if len(ids) > MAX_PAGE:
            raise GraphQLError(f"at most {MAX_PAGE} ids may be given", extensions={"code": "BAD_REQUEST"})
        # A node's type is not known from the field, so it says it itself.
        kinds = {"Order": self._order, "InventoryItem": self._item}
        nodes = []
        for each in ids:
            kind = each.removeprefix("gid://shopify/").partition("/")[0]
            view = kinds[kind](each) if kind in kinds else None
            nodes.append({"__typename": kind, **view} if view else None)
        return nodes

    def _orders(
        self,
        _info: views.Info,
        *,
        query: str | None = None,
        reverse: bool | None = None,
        sortKey: str | None = None,  # noqa: N803  GraphQL's name
        **page: Any,
    ) -> views.View:
        found = find_orders(self._state, query, sortKey, reverse=bool(reverse), **page)
        return _shown(found, lambda record: OrderViews(self._state, record).view())

    def _fulfillment(self, fulfillment_id: str) -> views.View | None:
        wanted = number(fulfillment_id, "Fulfillment") or 0
        order = self._state.order_of("fulfillment", wanted)
        if order is None:
            return None
        made = {each.id: each for each in order.fulfillments}[wanted]
        return OrderViews(self._state, order).parcels.fulfillment(made)

    def _plan(self, plan_id: str) -> views.View | None:
        wanted = number(plan_id, "FulfillmentOrder") or 0
        order = self._state.order_of("fulfillment_order", wanted)
        return OrderViews(self._state, order).parcels.plan(order.fulfillment_order(wanted)) if order else None

    def _return(self, return_id: str) -> views.View | None:
        held = returning.find(self._state, number(return_id, "Return") or 0)
        return OrderViews(self._state, held[0]).returns.view(held[1]) if held else None

    def _reverse_order(self, reverse_id: str) -> views.View | None:
        wanted = number(reverse_id, "ReverseFulfillmentOrder") or 0
        order = self._state.order_of("reverse_order", wanted)
        if order is None:
            return None
        expected = next(each for each in order.returns if each.reverse_order_id == wanted)
        return OrderViews(self._state, order).returns.reverse_order(expected)

    def _job(self, job_id: str) -> views.View | None:
        done = jobs.is_done(self._state, job_id.removeprefix(gid("Job", "")))
        return None if done is None else {"id": job_id, "done": done, "query": lambda _info: self._queries()}

    def _variant(self, variant_id: str) -> views.View | None:
        variant = self._state.variant("id", number(variant_id, "ProductVariant") or 0)
        return views.variant_view(self._state, variant) if variant else None

    def _item(self, item_id: str) -> views.View | None:
        variant = self._state.variant("inventory_item_id", number(item_id, "InventoryItem") or 0)
        return views.item_view(self._state, variant) if variant else None

    def _once(
        self, act: Callable[..., views.View], view: Callable[[views.View], views.View]
    ) -> Callable[..., views.View]:
        """A mutation that needs a key: the same key and input answer the same, another input is refused.

        ``act`` answers with JSON that is kept; ``view`` shows it, now or later.
        """

        def resolve(info: views.Info, **arguments: Any) -> views.View:
            key = _required_key(info)
            text = json.dumps(arguments, sort_keys=True, default=str)
            with self._state.transaction():
                known = self._state.rows(
                    "SELECT * FROM idempotency WHERE mutation = ? AND key = ?", (info.field_name, key)
                )
                if not known:
                    answer = act(info, **arguments)
                    self._state.rows(
                        "INSERT INTO idempotency VALUES (?, ?, ?, ?)",
                        (info.field_name, key, text, json.dumps(answer)),
                    )
                elif known[0]["arguments"] == text:
                    answer = json.loads(known[0]["answer"])
                    if answer["userErrors"] and info.field_name in self._spent_by_refusal():
                        answer = _spent()
                else:
                    answer = _mismatch()
            return view(answer)

        return resolve

    def _spent_by_refusal(self) -> frozenset[str]:
        """Mutations whose key is spent once it was refused, unless the control API has it otherwise."""
        return frozenset() if self._state.setting(REFUSED_KEYS) == "replayed" else SAYS_SPENT


def _shown(found: dict[str, Any], view: Callable[[Any], views.View]) -> views.View:
    """A connection over a page of records."""
    nodes = [view(record) for record in found["records"]]
    edges = [{"node": node, "cursor": c} for node, c in zip(nodes, found["cursors"], strict=True)]
    return {"nodes": nodes, "edges": edges, "pageInfo": found["pageInfo"]}


def _without_key(act: Callable[..., views.View]) -> Callable[..., views.View]:
    """A mutation that takes no key; Shopify supports the directive only where it says so."""

    def resolve(info: views.Info, **arguments: Any) -> views.View:
        if _given_key(info) is not None:
            message = f"The @idempotent directive is not supported on {info.field_name}."
            raise GraphQLError(message, extensions={"code": "BAD_REQUEST"})
        return act(info, **arguments)

    return resolve


def _given_key(info: views.Info) -> str | None:
    directive = info.schema.get_directive("idempotent")
    assert directive is not None
    given = get_directive_values(directive, info.field_nodes[0], info.variable_values)
    return None if given is None else str(given["key"])


def _required_key(info: views.Info) -> str:
    key = _given_key(info)
    code = {"code": "BAD_REQUEST"}
    if key is None:
        message = "The @idempotent directive is required for this mutation but was not provided."
        raise GraphQLError(message, extensions=code)
    if not key.strip():
        raise GraphQLError("The idempotency key cannot be empty.", extensions=code)
    return key


def _mismatch() -> views.View:
    message = "The same idempotency key cannot be used with different operation parameters."
    error = {"field": None, "code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "message": message}
    return {"userErrors": [error]}


def _spent() -> views.View:
    message = "A previous request with this idempotency key failed. Retry with a new idempotency key."
    error = {"field": None, "code": "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", "message": message}
    return {"userErrors": [error]}


class _Spent:
    """Counts what a query really touched. A field that a view forgot is an error, not a silent null."""

    def __init__(self) -> None:
        self.points = 0

    def resolve(self, source: Any, info: views.Info, **arguments: Any) -> Any:
        value = source[info.field_name]
        if callable(value):
            value = value(info, **arguments)
        if value is None:
            return None
        kind = get_named_type(info.return_type)
        if info.operation.operation.value == "mutation" and info.path.prev is None:
            self.points += MUTATION_COST
        if is_composite_type(kind) and not kind.name.endswith(("Edge", "PageInfo")):
            if kind.name.endswith("Connection"):
                self.points += CONNECTION_COST
            else:
                self.points += len(value) if isinstance(value, list) else 1
        return value

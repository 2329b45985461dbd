"""Shopify's search syntax, as far as the store knows it: ``field:value`` and ``field:>='value'``, joined by
AND.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from graphql import GraphQLError

from sandbox.store.records import OrderRecord
from sandbox.store.state import State

MAX_PAGE: Final = 250
_TERM: Final = re.compile(r"""(?P<field>\w+):(?P<sign>>=|<=|>|<|)(?P<value>'[^']*'|"[^"]*"|[^\s'"]+)""")
_TIMES: Final = {"created_at": "created_at", "processed_at": "created_at", "updated_at": "updated_at"}
_SORTS: Final = {
    "CREATED_AT": "created_at",
    "PROCESSED_AT": "created_at",
    "UPDATED_AT": "updated_at",
    "ID": "id",
    "ORDER_NUMBER": "id",
}

Page = Callable[..., dict[str, Any]]


def terms(query: str) -> list[tuple[str, str, str]]:
    """(field, sign, value) of each term. Raises GraphQLError on what the store does not understand."""
    rest = _TERM.sub("", query)
    left = [word for word in rest.split() if word.upper() != "AND"]
    if left:
        raise GraphQLError(
            f"the sandbox store cannot search for {left[0]!r}; it knows field:value joined by AND"
        )
    return [(m["field"], m["sign"], m["value"].strip("'\"")) for m in _TERM.finditer(query)]


def find_orders(
    state: State, query: str | None, sort_key: str | None, *, reverse: bool, **page: Any
) -> dict[str, Any]:
    """A page of orders: ``records``, ``cursors`` and ``pageInfo``."""
    first, after = read_page(page)
    column = _SORTS[sort_key or "PROCESSED_AT"]
    conditions, values = _conditions(query or "")
    if after is not None:
        sign = "<" if reverse else ">"
        conditions.append(f"({column}, id) {sign} (?, ?)")
        values += [after["last_value"], after["last_id"]]
    direction = "DESC" if reverse else "ASC"
    order_by = f"{column} {direction}, id {direction}"
    found = state.search_orders(" AND ".join(conditions) or "1", values, order_by, first + 1)
    records = found[:first]
    cursors = [cursor_of({"last_id": r.id, "last_value": _sort_value(r, column)}) for r in records]
    return {
        "records": records,
        "cursors": cursors,
        "pageInfo": page_info(cursors, more=len(found) > first, back=after is not None),
    }


def connection(nodes: Callable[[], Sequence[dict[str, Any]]]) -> Page:
    """A connection over nodes that are built when it is asked for; the cursor names the node before it."""

    def resolve(_info: Any, **page: Any) -> dict[str, Any]:
        first, after = read_page(page)
        listed = list(nodes())
        start = 0
        if after is not None:
            places = [i for i, node in enumerate(listed) if _key(node, i) == after["last_id"]]
            if not places:
                raise _bad_cursor()
            start = places[0] + 1
        chosen = listed[start : start + first]
        cursors = [cursor_of({"last_id": _key(node, start + i)}) for i, node in enumerate(chosen)]
        return {
            "nodes": chosen,
            "edges": [{"node": node, "cursor": c} for node, c in zip(chosen, cursors, strict=True)],
            "pageInfo": page_info(cursors, more=start + first < len(listed), back=start > 0),
        }

    return resolve


def _key(node: dict[str, Any], place: int) -> str:
    return str(node.get("id", place))


def read_page(page: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
    """How many are asked for, and after what. Raises GraphQLError for what Shopify refuses."""
    first = page.get("first")
    if first is None:
        raise GraphQLError("you must provide one of first or last", extensions={"code": "BAD_REQUEST"})
    if not 0 < first <= MAX_PAGE:
        raise GraphQLError(f"first must be between 1 and {MAX_PAGE}", extensions={"code": "BAD_REQUEST"})
    after = page.get("after")
    if after is None:
        return first, None
    try:
        cursor = json.loads(base64.b64decode(after, validate=True))
    except (binascii.Error, ValueError):
        raise _bad_cursor() from None
    if not isinstance(cursor, dict) or "last_id" not in cursor:
        raise _bad_cursor()
    return first, cursor


def _bad_cursor() -> GraphQLError:
    return GraphQLError("Invalid cursor for current pagination sort.", extensions={"code": "BAD_REQUEST"})


def cursor_of(content: dict[str, Any]) -> str:
    """An opaque place in a list."""
    return base64.b64encode(json.dumps(content).encode()).decode()


def page_info(cursors: Sequence[str], *, more: bool, back: bool) -> dict[str, Any]:
    """PageInfo of a page with these cursors."""
    return {
        "hasNextPage": more,
        "hasPreviousPage": back,
        "startCursor": cursors[0] if cursors else None,
        "endCursor": cursors[-1] if cursors else None,
    }


def _sort_value(order: OrderRecord, column: str) -> Any:
    value = getattr(order, column)
    return stored_time(value) if isinstance(value, datetime) else value


def stored_time(moment: datetime) -> str:
    """A time as the database compares it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _conditions(query: str) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    for field, sign, value in terms(query):
        if field in _TIMES:
            conditions.append(f"{_TIMES[field]} {sign or '='} ?")
            values.append(_time(value))
        elif field == "id":
            conditions.append(f"id {sign or '='} ?")
            values.append(int(value.rsplit("/", 1)[-1]))
        elif field == "name":
            conditions.append("'#' || json_extract(record, '$.number') = '#' || ltrim(?, '#')")
            values.append(value)
        elif field == "test":
            conditions.append("json_extract(record, '$.test') = ?")
            values.append(value == "true")
        elif field == "status" and value in {"any", "cancelled", "open", "not_closed"}:
            cancelled = {"cancelled": "NOT NULL", "open": "NULL"}.get(value)
            conditions.append(f"json_extract(record, '$.cancelled_at') IS {cancelled}" if cancelled else "1")
        else:
            raise GraphQLError(f"the sandbox store cannot search orders by {field}:{value}")
    return conditions, values


def _time(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise GraphQLError(f"{value!r} is not a time") from None
    return stored_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))

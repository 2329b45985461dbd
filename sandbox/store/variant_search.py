"""Lists of variants and inventory items, page by page and by SKU.

As at Shopify a search by SKU ignores case and finds more than was asked: SKUs that go on after the word as well.
"""

import re
from typing import Any, Final

from graphql import GraphQLError

from sandbox.store.search import cursor_of, page_info, read_page
from sandbox.store.state import State

_TERM: Final = re.compile(
    r"""(?P<field>\w+):(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:[^\s"'\\]|\\.)+)"""
)
_ESCAPED: Final = re.compile(r"\\(.)")
_ENDS_OF_WORDS: Final = " -./_"
_AFTER: Final = "\U0010ffff"


def find_variants(state: State, query: str | None, id_column: str, **page: Any) -> dict[str, Any]:
    """A page of variants, the oldest first: ``records``, ``cursors`` and ``pageInfo``; ``id`` asks for that column."""
    first, after = read_page(page)
    where, values = _condition(query or "", id_column)
    if after is not None:
        where, values = f"({where}) AND id > ?", [*values, after["last_id"]]
    found = state.find_variants(where, values, first + 1)
    records = found[:first]
    cursors = [cursor_of({"last_id": each.id}) for each in records]
    more = len(found) > first
    return {
        "records": records,
        "cursors": cursors,
        "pageInfo": page_info(cursors, more=more, back=after is not None),
    }


def _condition(query: str, id_column: str) -> tuple[str, list[Any]]:
    words = {word.upper() for word in _TERM.sub("", query).split()}
    if not words <= {"AND"} and not words <= {"OR"}:
        raise GraphQLError(
            f"the sandbox store cannot search for {query!r}; it knows field:value joined by AND or OR"
        )
    parts: list[str] = []
    values: list[Any] = []
    for term in _TERM.finditer(query):
        value = _plain(term["value"])
        if term["field"] == "sku":
            parts.append(" OR ".join(["sku = ? COLLATE NOCASE", *[_LONGER] * len(_ENDS_OF_WORDS)]))
            values += [value, *(f"{value}{end}{more}" for end in _ENDS_OF_WORDS for more in ("", _AFTER))]
        elif term["field"] == "id":
            parts.append(f"{id_column} = ?")
            values.append(value.rsplit("/", 1)[-1])
        else:
            raise GraphQLError(f"the sandbox store cannot search products by {term[0]}")
    joint = " OR " if "OR" in words else " AND "
    return joint.join(f"({part})" for part in parts) or "1", values


_LONGER: Final = "sku COLLATE NOCASE BETWEEN ? AND ?"


def _plain(value: str) -> str:
    """A value as it was meant: without its quotes, and what is escaped as it is."""
    quoted = value[0] in "\"'" and len(value) > 1
    return _ESCAPED.sub(r"\1", value[1:-1] if quoted else value)

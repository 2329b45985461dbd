"""The sandbox's store and its products: how they are found, and a state that was kept before they had a policy."""

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest
from graphql import GraphQLError

from sandbox.store.state import State
from sandbox.store.variant_search import find_variants

BEFORE = """
CREATE TABLE location (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE variant (
    id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL, inventory_item_id INTEGER NOT NULL UNIQUE,
    sku TEXT NOT NULL UNIQUE, title TEXT NOT NULL, price TEXT NOT NULL);
INSERT INTO location VALUES (101, 'Warehouse East');
INSERT INTO variant VALUES (401, 201, 601, 'TEE', 'T-shirt', '19.90');
"""


def test_a_state_from_before_keeps_its_products_and_may_have_a_sku_twice(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with sqlite3.connect(path) as old:
        old.executescript(BEFORE)
    old.close()
    for _ in range(2):
        state = State(path)
        assert state.locations() == {101: "Warehouse East"}
        assert state.closed_locations() == set()
        kept = state.variant("sku", "TEE")
        assert kept is not None
        assert (kept.id, kept.policy, kept.tracked) == (401, "CONTINUE", True)
        with state.transaction():
            state.add_variants(["TEE"], kept.price, "DENY", {101: 3}, tracked=False)
        state.close()
    state = State(path)
    assert [(v.inventory_item_id, v.policy) for v in state.find_variants("sku = ?", ("TEE",), 9)] == [
        (601, "CONTINUE"), (602, "DENY"), (603, "DENY")
    ]  # fmt: skip
    state.close()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("sku:a", ["A", "a", "A-1", "A.2", "A 3"]),
        ('sku:"A 3"', ["A 3"]),
        ('sku:"b\\"q" OR sku:a-1', ["A-1", 'B"q']),
        ("sku:a-1 AND id:604", ["A-1"]),
        ("sku:a-1 AND id:601", []),
        ("", ["A", "a", "A-1", "A.2", "A 3", "AB", 'B"q']),
    ],
)
def test_a_search_by_sku_ignores_case_and_finds_longer_ones(query: str, found: list[str]) -> None:
    state = State(":memory:")
    state.rows("DELETE FROM variant WHERE inventory_item_id <> 601")
    state.add_variants(["A", "a", "A-1", "A.2", "A 3", "AB", 'B"q'], Decimal(1), "DENY", {}, tracked=True)
    state.rows("DELETE FROM variant WHERE inventory_item_id = 601")
    pages = find_variants(state, query, "inventory_item_id", first=4)
    told = [each.sku for each in pages["records"]]
    if pages["pageInfo"]["hasNextPage"]:
        after = pages["pageInfo"]["endCursor"]
        told += [
            each.sku
            for each in find_variants(state, query, "inventory_item_id", first=4, after=after)["records"]
        ]
    assert told == found
    state.close()


@pytest.mark.parametrize("query", ["vendor:X", "red", "sku:a OR id:1 AND sku:b"])
def test_what_the_store_cannot_search_for_is_refused(query: str) -> None:
    state = State(":memory:")
    with pytest.raises(GraphQLError, match="cannot search"):
        find_variants(state, query, "id", first=1)
    state.close()

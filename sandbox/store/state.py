"""The store's memory: one SQLite file, so that orders, stock and undelivered webhooks survive a restart.

Records are kept as JSON beside the columns that are searched. One connection, used from one thread: the
server does its work on the event loop, so nothing here is ever half done when somebody looks.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from domain.model import Frozen
from sandbox import catalog
from sandbox.store.records import OrderRecord

if TYPE_CHECKING:
    from collections.abc import Callable

# First id of each kind, less one. Apart from each other, so that a mixed-up id never fits by accident.
_FIRST: Final = {
    "order": 5_000, "number": 1_000, "line": 60_000, "shipping": 70_000, "transaction": 80_000,
    "fulfillment_order": 20_000, "fulfillment_order_line": 30_000, "fulfillment": 40_000, "fulfillment_line": 50_000,
    "refund": 90_000, "refund_line": 95_000, "customer": 7_000, "company_location": 8_000, "adjustment": 10_000,
    "edit": 11_000, "return": 13_000, "return_line": 14_000, "reverse_order": 15_000, "reverse_line": 16_000,
    "disposition": 17_000, "exchange_line": 18_000, "fulfillment_hold": 19_000, "duty": 25_000, "fee": 26_000,
}  # fmt: skip
_FIRST_VARIANT: Final = 400
_FIRST_PRODUCT: Final = 200
_FIRST_INVENTORY_ITEM: Final = 600

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sequence (name TEXT PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS "order" (
    id INTEGER PRIMARY KEY, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS part (kind TEXT, id INTEGER, order_id INTEGER NOT NULL, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS location (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS variant (
    id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL, inventory_item_id INTEGER NOT NULL UNIQUE,
    sku TEXT NOT NULL, title TEXT NOT NULL, price TEXT NOT NULL,
    policy TEXT NOT NULL DEFAULT 'CONTINUE', tracked INTEGER NOT NULL DEFAULT 1);
CREATE INDEX IF NOT EXISTS variant_sku ON variant (sku COLLATE NOCASE);
CREATE TABLE IF NOT EXISTS level (
    inventory_item_id INTEGER, location_id INTEGER, available INTEGER NOT NULL, committed INTEGER NOT NULL,
    updated_at TEXT NOT NULL, PRIMARY KEY (inventory_item_id, location_id));
CREATE TABLE IF NOT EXISTS idempotency (
    mutation TEXT, key TEXT, arguments TEXT NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (mutation, key));
CREATE TABLE IF NOT EXISTS job (id TEXT PRIMARY KEY, due REAL NOT NULL, done INTEGER NOT NULL, work TEXT NOT
NULL); CREATE TABLE IF NOT EXISTS outbox ( id INTEGER PRIMARY KEY, webhook_id TEXT NOT NULL, event_id TEXT
NOT NULL, topic TEXT NOT NULL, order_id INTEGER NOT NULL, triggered_at TEXT NOT NULL, body BLOB NOT NULL,
place REAL NOT NULL, due REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL, error TEXT
NOT NULL DEFAULT ''); CREATE INDEX IF NOT EXISTS outbox_due ON outbox (state, due);
"""


# A state that was kept before products had a policy: SKUs were unique then, locations always open.
_UPGRADE: Final = """
ALTER TABLE location ADD COLUMN active INTEGER NOT NULL DEFAULT 1;
ALTER TABLE variant RENAME TO variant_before;
"""
_CARRY_OVER: Final = """
INSERT INTO variant (id, product_id, inventory_item_id, sku, title, price) SELECT * FROM variant_before;
DROP TABLE variant_before;
"""

Policy = Literal["DENY", "CONTINUE"]
"""Whether buyers may buy more than is available."""


class Variant(Frozen):
    """A product for sale, with its one variant and inventory item."""

    id: int
    product_id: int
    inventory_item_id: int
    sku: str
    title: str
    price: Decimal
    policy: Policy = "CONTINUE"
    tracked: bool = True
    """False: it is sold without being counted."""


class Level(Frozen):
    """Stock of one item at one location: on hand is ``available + committed``; available may be negative."""

    inventory_item_id: int
    location_id: int
    available: int
    committed: int
    updated_at: datetime


class State:
    """Reads and writes of the store. Writes happen inside ``transaction``."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        columns = {row["name"] for row in self.rows("SELECT name FROM pragma_table_info('variant')")}
        old = bool(columns) and "policy" not in columns
        self._db.executescript(f"{_UPGRADE}{_TABLES}{_CARRY_OVER}" if old else _TABLES)
        self.stock_moved: Callable[[int, int], None] = lambda _item, _location: None
        """Told the item and the location of every level that is another now."""
        if not self.rows("SELECT 1 FROM location"):
            self._seed()

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes within happen together or not at all; inside another one it is part of that."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Run a statement and fetch everything."""
        return self._db.execute(sql, values).fetchall()

    def reset(self) -> None:
        """Forget everything but the settings; numbers start again."""
        with self.transaction():
            for table in (
                '"order"',
                "part",
                "sequence",
                "location",
                "variant",
                "level",
                "idempotency",
                "job",
                "outbox",
            ):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608  names from the line above
            self._db.execute("DELETE FROM setting WHERE name = 'customers'")
            self._seed()

    def _seed(self) -> None:
        now = _text(datetime.now(UTC))
        products = [(p["sku"], p["name"], p["price"]) for p in catalog.PRODUCTS]
        products.append((catalog.KIT_SKU, catalog.KIT_NAME, catalog.KIT_PRICE))
        with self.transaction():
            for location, (_, name, _) in catalog.LOCATIONS.items():
                self._db.execute("INSERT INTO location (id, name) VALUES (?, ?)", (int(location), name))
            for n, (sku, title, price) in enumerate(products, start=1):
                item = _FIRST_INVENTORY_ITEM + n
                self._db.execute(
                    "INSERT INTO variant (id, product_id, inventory_item_id, sku, title, price)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (_FIRST_VARIANT + n, _FIRST_PRODUCT + n, item, sku, title, price),
                )
                for location, (_, _, on_hand) in catalog.LOCATIONS.items():
                    self._db.execute(
                        "INSERT INTO level VALUES (?, ?, ?, 0, ?)", (item, int(location), on_hand, now)
                    )

    # Settings and numbers

    def setting(self, name: str) -> Any:
        """A value kept by name, or None."""
        found = self.rows("SELECT value FROM setting WHERE name = ?", (name,))
        return json.loads(found[0]["value"]) if found else None

    def keep_setting(self, name: str, value: Any) -> None:
        """Keep a JSON value by name."""
        self._db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, json.dumps(value)))

    def next_id(self, kind: str) -> int:
        """The next number of a kind."""
        found = self.rows(
            "INSERT INTO sequence VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET last = last + 1 RETURNING last",
            (kind, _FIRST[kind] + 1),
        )
        return int(found[0]["last"])

    # Orders

    def order(self, order_id: int) -> OrderRecord | None:
        """An order by id."""
        found = self.rows('SELECT record FROM "order" WHERE id = ?', (order_id,))
        return OrderRecord.model_validate_json(found[0]["record"]) if found else None

    def order_of(self, kind: str, part_id: int) -> OrderRecord | None:
        """The order that a ``fulfillment_order``, ``fulfillment``, ``return`` or ``reverse_order`` belongs to."""
        found = self.rows("SELECT order_id FROM part WHERE kind = ? AND id = ?", (kind, part_id))
        return self.order(found[0]["order_id"]) if found else None

    def orders(self) -> list[OrderRecord]:
        """All orders, oldest first."""
        return [
            OrderRecord.model_validate_json(row["record"])
            for row in self.rows('SELECT record FROM "order" ORDER BY id')
        ]

    def search_orders(
        self, where: str, values: Sequence[Any], order_by: str, limit: int
    ) -> list[OrderRecord]:
        """Orders by a condition on ``id``, ``created_at``, ``updated_at`` and JSON parts of ``record``."""
        sql = f'SELECT record FROM "order" WHERE {where} ORDER BY {order_by} LIMIT ?'  # noqa: S608  by ``search``
        return [OrderRecord.model_validate_json(row["record"]) for row in self.rows(sql, (*values, limit))]

    def save_order(self, order: OrderRecord) -> None:
        """Keep an order, with ``updated_at`` set to now."""
        order.updated_at = datetime.now(UTC).replace(microsecond=0)
        self._db.execute(
            'INSERT OR REPLACE INTO "order" VALUES (?, ?, ?, ?)',
            (order.id, _text(order.created_at), _text(order.updated_at), order.model_dump_json()),
        )
        parts = [("fulfillment_order", f.id) for f in order.fulfillment_orders]
        parts += [("fulfillment", f.id) for f in order.fulfillments]
        parts += [("return", each.id) for each in order.returns]
        parts += [("reverse_order", each.reverse_order_id) for each in order.returns if each.reverse_order_id]
        self._db.executemany(
            "INSERT OR IGNORE INTO part VALUES (?, ?, ?)",
            [(kind, part_id, order.id) for kind, part_id in parts],
        )

    # Catalogue and stock

    def locations(self) -> dict[int, str]:
        """Location id -> name, closed ones too."""
        return {row["id"]: row["name"] for row in self.rows("SELECT * FROM location ORDER BY id")}

    def closed_locations(self) -> set[int]:
        """Those that were deactivated: nothing is sold from them, their levels are shown to nobody."""
        return {row["id"] for row in self.rows("SELECT id FROM location WHERE NOT active")}

    def add_location(self, name: str) -> int:
        """Open another location, which stocks nothing yet; returns its id."""
        found = self.rows("SELECT max(id) + 1 AS next FROM location")
        self._db.execute("INSERT INTO location (id, name) VALUES (?, ?)", (found[0]["next"], name))
        return int(found[0]["next"])

    def open_location(self, location_id: int, *, active: bool) -> None:
        """Close a location or open it again, with the levels that it had."""
        self._db.execute("UPDATE location SET active = ? WHERE id = ?", (active, location_id))

    def add_variants(
        self, skus: Sequence[str], price: Decimal, policy: Policy, stock: Mapping[int, int], *, tracked: bool
    ) -> int:
        """Add products; ``stock`` is units of each by location. Returns the first one's inventory item."""
        last = self.rows(
            "SELECT max(id) AS id, max(product_id) AS p, max(inventory_item_id) AS i FROM variant"
        )
        now = _text(datetime.now(UTC))
        first = int(last[0]["i"]) + 1
        self._db.executemany(
            "INSERT INTO variant VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (last[0]["id"] + n, last[0]["p"] + n, last[0]["i"] + n, sku, sku, str(price), policy, tracked)
                for n, sku in enumerate(skus, 1)
            ],
        )
        self._db.executemany(
            "INSERT INTO level VALUES (?, ?, ?, 0, ?)",
            [(first + n, at, units, now) for n in range(len(skus)) for at, units in stock.items()],
        )
        return first

    def change_variants(self, sku: str, *, policy: Policy | None, tracked: bool | None) -> None:
        """Sell all variants of a SKU in another way; None leaves it."""
        self._db.execute(
            "UPDATE variant SET policy = coalesce(?, policy), tracked = coalesce(?, tracked) WHERE sku = ?",
            (policy, tracked, sku),
        )

    def find_variants(self, where: str, values: Sequence[Any], limit: int) -> list[Variant]:
        """Variants by a condition on their columns, the oldest first."""
        sql = f"SELECT * FROM variant WHERE {where} ORDER BY id LIMIT ?"  # noqa: S608  by ``search``
        return [_variant(row) for row in self.rows(sql, (*values, limit))]

    def variant(self, column: str, value: int | str) -> Variant | None:
        """A variant by ``id``, ``sku`` or ``inventory_item_id``; of several with a SKU the oldest."""
        if column not in {"id", "sku", "inventory_item_id"}:
            msg = f"a variant is not found by {column}"
            raise ValueError(msg)
        collation = " COLLATE NOCASE" if column == "sku" else ""
        found = self.find_variants(f"{column} = ?{collation} AND {column} = ?", (value, value), 1)
        return found[0] if found else None

    def levels(self, inventory_item_id: int) -> list[Level]:
        """Stock of an item, location by location."""
        return [
            Level(**{**row, "updated_at": datetime.fromisoformat(row["updated_at"])})
            for row in map(
                dict,
                self.rows(
                    "SELECT * FROM level WHERE inventory_item_id = ? ORDER BY location_id",
                    (inventory_item_id,),
                ),
            )
        ]

    def level(self, inventory_item_id: int, location_id: int) -> Level | None:
        """Stock of an item at a location; None where it is not stocked."""
        return next((x for x in self.levels(inventory_item_id) if x.location_id == location_id), None)

    def stock_at(self, inventory_item_id: int, location_id: int) -> None:
        """Stock an item at a location, with no units yet; one that is stocked there stays as it is."""
        self._db.execute(
            "INSERT OR IGNORE INTO level VALUES (?, ?, 0, 0, ?)",
            (inventory_item_id, location_id, _text(datetime.now(UTC))),
        )

    def move_stock(
        self, inventory_item_id: int, location_id: int, *, available: int = 0, committed: int = 0
    ) -> None:
        """Change stock by so many units. An item that is not stocked at the location stays so."""
        done = self._db.execute(
            "UPDATE level SET available = available + ?, committed = committed + ?, updated_at = ?"
            " WHERE inventory_item_id = ? AND location_id = ?",
            (available, committed, _text(datetime.now(UTC)), inventory_item_id, location_id),
        )
        if done.rowcount and available:
            self.stock_moved(inventory_item_id, location_id)


def _variant(row: sqlite3.Row) -> Variant:
    return Variant(**{**dict(row), "price": Decimal(row["price"])})


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")

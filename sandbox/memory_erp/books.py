"""The books of the served memory ERP: kept in a SQLite file, so that they survive the process being killed."""

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from adapters.ports import ErpPort
from domain.erp_order import ErpOrder, ErpShipment, SalesOrder
from domain.order import OrderKey


class Books(ErpPort, Protocol):
    """An ERP whose books lie open, and whose warehouse obeys."""

    orders: dict[OrderKey, ErpOrder]
    changed_at: dict[OrderKey, int]
    written_at: dict[OrderKey, datetime]
    references: dict[OrderKey, str]
    entered: dict[OrderKey, SalesOrder]
    last_change: int

    def restore(
        self, orders: Iterable[tuple[ErpOrder, int, datetime, str]], entered: Iterable[SalesOrder] = ()
    ) -> None:
        """Take over orders, each with number and time of its last change and the storefront's number."""
        ...

    def ship(
        self, key: OrderKey, warehouse: str, units: Mapping[str, int], *, tracking: str | None = None
    ) -> ErpShipment:
        """Send units off."""
        ...

    def forbid_product(self, code: str) -> None:
        """Make a product unknown."""
        ...

    def allow_product(self, code: str) -> None:
        """Make a product known."""
        ...


class BookFile:
    """Where the books are kept. Whatever was answered is in it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS orders (key TEXT PRIMARY KEY, change INTEGER NOT NULL,"
            " written_at TEXT NOT NULL, reference TEXT NOT NULL, body TEXT NOT NULL)"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS entered (key TEXT PRIMARY KEY, body TEXT NOT NULL)")
        self._kept = 0

    def load(self, books: Books) -> None:
        """Fill empty books with what is kept."""
        rows = self._db.execute("SELECT body, change, written_at, reference FROM orders").fetchall()
        entered = self._db.execute("SELECT body FROM entered").fetchall()
        books.restore(
            (
                (ErpOrder.model_validate_json(body), change, datetime.fromisoformat(written_at), reference)
                for body, change, written_at, reference in rows
            ),
            (SalesOrder.model_validate_json(body) for (body,) in entered),
        )
        self._kept = books.last_change

    def keep(self, books: Books) -> None:
        """Keep what has changed since the last time."""
        if books.last_change == self._kept:
            return
        changed = [(key, change) for key, change in books.changed_at.items() if change > self._kept]
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO orders (key, change, written_at, reference, body) VALUES (?, ?, ?, ?, ?)",
                [
                    (
                        str(key),
                        change,
                        books.written_at[key].isoformat(),
                        books.references.get(key, ""),
                        books.orders[key].model_dump_json(),
                    )
                    for key, change in changed
                ],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO entered (key, body) VALUES (?, ?)",
                [
                    (str(key), books.entered[key].model_dump_json())
                    for key, _ in changed
                    if key in books.entered
                ],
            )
        self._kept = books.last_change

    def close(self) -> None:
        """Close the file."""
        self._db.close()

"""The books of the served memory ERP: kept in a SQLite file, so that they survive the process being killed."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, Protocol, TypedDict

from adapters.ports import ErpPort
from domain.erp_order import ErpOrder, ErpReturnState, ErpShipment, SalesOrder
from domain.kit_returns import in_pieces, in_units, piece_of
from domain.order import OrderKey
from sandbox.audit import added

_COMING: Final = frozenset({ErpReturnState.EXPECTED, ErpReturnState.RECEIVED})


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

    def receive_return(self, key: OrderKey, return_id: str, units: Mapping[str, int]) -> ErpOrder:
        """Take in units by line that are expected."""
        ...

    def receive_unannounced(self, key: OrderKey, warehouse: str, units: Mapping[str, int]) -> str:
        """Take in units by line that nobody has announced."""
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


def take_in(
    books: Books,
    key: OrderKey,
    units: Mapping[str, int] | None = None,
    *,
    return_id: str | None = None,
) -> None:
    """Take in what is expected of a return (of the oldest, unless it is named), or so many units by SKU.

    Raises LookupError where nothing is expected, or more came in than is.
    """
    for each in books.orders[key].returns:
        if each.return_id != (return_id or each.return_id) or each.state not in _COMING:
            continue
        kits = books.orders[key].kits
        rest = in_pieces({line.line_id: line.quantity for line in each.expected}, kits)
        rest.subtract(in_pieces({line.line_id: line.quantity for line in each.received}, kits))
        came = +rest if units is None else in_pieces(lines_of(books, key, units), kits)
        if came and not came - rest:
            books.receive_return(key, each.return_id, in_units(came, kits))
            return
    raise LookupError(f"no such goods of order {key} are expected")


def lines_of(books: Books, key: OrderKey, units: Mapping[str, int]) -> Counter[str]:
    """Units by line of units by SKU, pieces of kits among them. Raises LookupError for one that the order has not."""
    order = books.orders[key]
    line_of = {
        part.product: piece_of(line, part.product) for line, parts in order.kits.items() for part in parts
    }
    line_of |= {line.product: line.line_id for line in order.lines}
    if unknown := units.keys() - line_of.keys():
        raise LookupError(f"order {key} has no {', '.join(sorted(unknown))}")
    return Counter({line_of[sku]: number for sku, number in units.items()})


class GivenBack(TypedDict):
    """What an order's returns come to, as ``sandbox.audit.ErpSide`` has it."""

    given_back: Decimal
    taxes_given_back: dict[str, Decimal]
    fees: Decimal


def given_back(order: ErpOrder) -> GivenBack:
    """Of all that is credited."""
    return GivenBack(
        given_back=sum((each.total + each.fee for each in order.returns), Decimal(0)),
        taxes_given_back=added(
            {tax.code: tax.amount}
            for each in order.returns
            for tax in (*each.taxes, *(tax for kept in each.kept for tax in kept.taxes))
        ),
        fees=sum((each.fee for each in order.returns), Decimal(0)),
    )

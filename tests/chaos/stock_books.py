"""What a Tryton on SQLite has in stock, added up from its tables with none of the code under test."""

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

Place = tuple[str, str]
"""Product and warehouse."""

_LINES = """
    SELECT line.id, product.code, line.quantity, line.note FROM sale_line line
    JOIN sale_sale sale ON sale.id = line.sale JOIN product_product product ON product.id = line.product
    WHERE sale.state IN ('confirmed', 'processing') AND line.quantity > 0
"""
_MOVES = """
    SELECT product.code, move.internal_quantity, move.from_location, move.to_location, move.state, move.origin,
           move.planned_date, product.active
    FROM stock_move move JOIN product_product product ON product.id = move.product
    WHERE move.state IN ('draft', 'assigned', 'done')
"""


@dataclass
class Books:
    """Units by product and warehouse; incoming also by day."""

    on_hand: Counter[Place] = field(default_factory=Counter)
    claimed: Counter[Place] = field(default_factory=Counter)
    """Allocated and reserved, and all that is left of what is not sold any more."""
    incoming: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def read_books(database: Path, skus: set[str]) -> Books:
    """All in one transaction."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.execute("BEGIN")
        shelves, customers = _shelves(connection)
        lines = {f"sale.line,{number}": row for number, *row in connection.execute(_LINES)}
        moves = [row for row in connection.execute(_MOVES) if row[0] in skus]
    books = Books()
    done: dict[str, float] = defaultdict(float)
    for sku, units, source, target, state, origin, planned, _ in moves:
        here, there = shelves.get(source, ""), shelves.get(target, "")
        if state == "done":
            done[origin or ""] += units
            books.on_hand[sku, here] -= units
            books.on_hand[sku, there] += units
        elif here != there:
            of_sale = origin in lines and target in customers
            books.claimed[sku, here] += 0 if of_sale else units
            if planned is not None:
                books.incoming[sku, there, planned] += units
    # What a sale wants and has not got, from where it was sold.
    for origin, (sku, units, note) in lines.items():
        books.claimed[sku, note.rpartition("Ships from: ")[2]] += units - done[origin]
    _keep_back(books, {sku for sku, *_, active in moves if not active}, set(shelves.values()))
    return books


def _keep_back(books: Books, skus: set[str], warehouses: set[str]) -> None:
    """What is not sold any more is nobody's to have."""
    for sku in skus:
        for warehouse in warehouses:
            free = books.on_hand[sku, warehouse] - books.claimed[sku, warehouse]
            books.claimed[sku, warehouse] += max(0, free)
    books.incoming = Counter(
        {place: units for place, units in books.incoming.items() if place[0] not in skus}
    )


def _shelves(connection: sqlite3.Connection) -> tuple[dict[int, str], set[int]]:
    rows = connection.execute("SELECT code, storage_location, output_location FROM stock_location")
    shelves = {place: code for code, *zones in rows for place in zones if place is not None}
    customers = {
        number for (number,) in connection.execute("SELECT id FROM stock_location WHERE type = 'customer'")
    }
    return shelves, customers

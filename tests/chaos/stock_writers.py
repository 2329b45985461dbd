"""People and machines that move stock at a Tryton all the time, at random, some of them committing late."""

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.tryton.erp import TrytonErp
from sandbox.tryton.rpc import Rpc
from sandbox.tryton.staff import Staff
from tests.contract.tryton_world import goods, order_of

INTERNAL = "stock.shipment.internal"
PARTS = 50
_STEPS = {"draft": "wait", "waiting": "assign_force", "assigned": "do", "packed": "ship", "shipped": "do"}


async def make_products(rpc: Rpc, skus: Sequence[str]) -> None:
    """New products, 20 of each in the east and 10 in the west."""
    (company,) = await rpc.find("company.company", [], ["id"])
    fields = ["template.account_category", "default_uom"]
    (known,) = await rpc.find("product.product", [["code", "=", "CAP-BLK"]], fields, company=company["id"])
    for start in range(0, len(skus), PARTS):
        values = [
            {
                "name": sku,
                "code": sku,
                "type": "goods",
                "default_uom": known["default_uom"],
                "sale_uom": known["default_uom"],
                "salable": True,
                "list_price": 1,
                "lead_time": timedelta(0),
                "account_category": known["template."]["account_category"],
                "products": [["create", [{}]]],
            }
            for sku in skus[start : start + PARTS]
        ]
        await rpc.call("product.template", "create", values, company=company["id"])
    found = await rpc.find("product.product", [["code", "in", list(skus)]], ["id"])
    places = await rpc.find("stock.location", [["type", "=", "warehouse"]], ["code", "storage_location"])
    for place in places:
        units = {"WH-EAST": 20.0, "WH-WEST": 10.0}[place["code"]]
        for start in range(0, len(found), PARTS):
            lines = [{"product": each["id"], "quantity": units} for each in found[start : start + PARTS]]
            values = {"location": place["storage_location"], "lines": [["create", lines]]}
            (made,) = await rpc.call("stock.inventory", "create", [values])
            await rpc.press("stock.inventory", "confirm", [made])


@dataclass
class Writers:
    """What they do is random, and the same for the same seed as far as the clock allows."""

    rpc: Rpc
    staff: Staff
    erp: TrytonErp
    database: Path
    skus: Sequence[str]
    chance: random.Random
    did: dict[str, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    """Products of which a claim was deleted: nothing tells it before all are read again."""
    _under_way: list[int] = field(default_factory=list)
    _sold: list[str] = field(default_factory=list)

    async def act(self) -> None:
        """One act of one of them."""
        acts = {
            self.count: 4,
            self.send: 5,
            self.carry_on: 12,
            self.commit_late: 5,
            self.sell: 1,
            self.ship: 2,
            self.withdraw: 1,
            self.give_up: 1,
        }
        (act,) = self.chance.choices(list(acts), weights=list(acts.values()))
        await act()
        self.did[act.__name__] = self.did.get(act.__name__, 0) + 1

    async def count(self) -> None:
        """An inventory."""
        await self.staff.take_stock(
            self.chance.choice(self.skus), self._warehouse(), self.chance.randrange(5, 40)
        )

    async def send(self) -> None:
        """A transfer between the warehouses, of several products at once."""
        places = await self.rpc.find(
            "stock.location", [["code", "in", ["WH-EAST-STO", "WH-WEST-STO"]]], ["id"]
        )
        source, target = self.chance.sample([place["id"] for place in places], 2)
        skus = self.chance.sample(list(self.skus), self.chance.randrange(1, 5))
        products = await self.rpc.find("product.product", [["code", "in", skus]], ["default_uom"])
        (company,) = await self.rpc.find("company.company", [], ["id"])
        day = datetime.now(UTC).date() + timedelta(days=self.chance.randrange(5))
        moves = [
            {
                "product": product["id"],
                "unit": product["default_uom"],
                "quantity": float(self.chance.randrange(1, 4)),
                "from_location": source,
                "to_location": target,
                "company": company["id"],
                "planned_date": day,
            }
            for product in products
        ]
        values = {
            "from_location": source,
            "to_location": target,
            "planned_date": day,
            "company": company["id"],
        }
        values |= {"planned_start_date": day, "moves": [["create", moves]]}
        self._under_way += await self.rpc.call(INTERNAL, "create", [values])

    async def carry_on(self) -> None:
        """The next step of a transfer."""
        if not self._under_way:
            return
        number = self._take(self.chance.choice(self._under_way))
        step = ""
        try:
            (shipment,) = await self.rpc.read(INTERNAL, [number], ["state", "transit_location"])
            step = _STEPS[shipment["state"]]
            if shipment["state"] == "assigned" and shipment["transit_location"]:
                step = "pack"
            await self.rpc.press(INTERNAL, step, [number])
        finally:
            if step != "do":
                self._under_way.append(number)

    async def give_up(self) -> None:
        """A transfer that has not begun is canceled, and a draft deleted without a trace."""
        for number in list(self._under_way):
            if number not in self._under_way:
                continue  # another person has it in hand by now
            self._take(number)
            (shipment,) = await self.rpc.read(INTERNAL, [number], ["state", "moves"])
            if shipment["state"] == "draft":
                moves = await self.rpc.read("stock.move", shipment["moves"], ["product.code"])
                self.deleted.update(move["product."]["code"] for move in moves)
                await self.rpc.call("stock.move", "delete", shipment["moves"])
                return
            self._under_way.append(number)

    def _take(self, number: int) -> int:
        """Several people write at once: what one of them has in hand no other touches."""
        self._under_way.remove(number)
        return number

    async def commit_late(self) -> None:
        """A transaction that began a while ago commits: its stamp is that of another move, told long since."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            known = connection.execute(
                "SELECT write_date FROM stock_move WHERE write_date IS NOT NULL ORDER BY write_date DESC LIMIT 40"
            ).fetchall()
            drafts = connection.execute(
                "SELECT move.id FROM stock_move move JOIN product_product product ON product.id = move.product"
                " WHERE move.state = 'draft' AND move.shipment LIKE 'stock.shipment.internal,%'"
                " AND product.code LIKE 'DRILL-%' ORDER BY move.id"
            ).fetchall()
            limit = datetime.now() - timedelta(seconds=15)  # noqa: DTZ005  as Tryton writes them on SQLite
            stamps = [stamp for (stamp,) in known if datetime.fromisoformat(stamp) > limit]
            if not drafts or not stamps:
                return
            (move,), stamp = self.chance.choice(drafts), self.chance.choice(stamps)
            connection.execute(
                "UPDATE stock_move SET quantity = quantity + 1, internal_quantity = internal_quantity + 1,"
                " write_date = ? WHERE id = ?",
                (stamp, move),
            )

    async def sell(self) -> None:
        """An order, of which units come from both warehouses."""
        first, second = self.chance.sample(list(self.skus), 2)
        if not await self._all_sold({first, second}):
            return
        order = order_of(
            goods("1", first, "WH-EAST", 2, "2.00"),
            goods("2", first, "WH-WEST", 3, "3.00"),
            goods("3", second, "WH-WEST", 1, "1.00"),
        )
        await self.erp.submit_order(order)
        self._sold.append(order.key.external_id)

    async def ship(self) -> None:
        """The warehouse sends something off, at times a part."""
        if self._sold:
            jobs = await self.staff.shipments_to_do([self.chance.choice(self._sold)])
            if jobs:
                await self.staff.ship(self.chance.choice(jobs), part=self.chance.random() < 0.5)

    async def withdraw(self) -> None:
        """A product is taken out of the catalogue, or put back."""
        sku = self.chance.choice(self.skus[:5])
        if await self._all_sold({sku}):
            await self.staff.archive_product(sku)
        else:
            await self.staff.restore_product(sku)

    async def _all_sold(self, skus: set[str]) -> bool:
        domain = [["code", "in", sorted(skus)], ["active", "=", True]]
        return len(await self.rpc.find("product.product", domain, ["id"])) == len(skus)

    def _warehouse(self) -> str:
        return self.chance.choice(["WH-EAST", "WH-WEST"])

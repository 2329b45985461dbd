"""The life of one order, told act by act, where no server runs: for what needs many things to happen in turn."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from domain.erp_order import ErpOrder, ErpReturnState
from domain.mapping import Mapping
from domain.order import Order, Payment
from tests.machine.temporal import Run
from tests.machine.weather import WeatheredDatabase
from tests.machine.world import House, World
from tests.order_builder import make_line
from workflows.messages import CancelAsked, OrderView, ReturnAsked

_ROUNDS = 12


class Life:
    """All settles after each act. Use ``life_of``."""

    def __init__(self, house: House, order: Order, mapping: Mapping, prices: dict[str, Decimal]) -> None:
        self.key = order.key
        self.world = World(house, mapping, stock={}, prices=prices)
        self._messages = 0
        self.world.storefront.place(order)
        self._tell("orders/create")

    @property
    def order(self) -> Order:
        """As the storefront has it."""
        return self.world.storefront.orders[self.key.external_id]

    @property
    def erp(self) -> ErpOrder:
        """As the ERP has it."""
        return self.world.erp.orders[self.key]

    @property
    def view(self) -> OrderView:
        found = self.world.view(self.key)
        assert found is not None
        return found

    @property
    def story(self) -> str:
        return self.world.story(self.key)

    def settle(self) -> None:
        """Until webhooks, feed and workflows have nothing more to do."""
        for _ in range(_ROUNDS):
            while self.world.post:
                self.world.deliver_webhook()
            self.world.work()
            self.world.look_at_feed()
            self.world.work()

    def ship(self, warehouse: str, units: dict[str, int]) -> None:
        """A parcel leaves."""
        self._messages += 1
        self.world.erp.ship(self.key, warehouse, units, tracking=f"T{self._messages}")
        self.settle()

    def ship_all(self) -> None:
        """All that is still here leaves."""
        self.world.erp.ship_all(self.key)
        self.settle()

    def bring_back(self, units: dict[str, int], instead: dict[str, int] | None = None) -> None:
        """An operator begins a return (line or SKU -> units), and the goods come in."""
        asked = ReturnAsked(
            message_id=self._id(), actor="Ada", reason="too small", lines=units, exchange=instead or {}
        )
        self.world.ask_return(asked, self.key)
        self.settle()
        for each in self.erp.returns:
            if each.state is ErpReturnState.EXPECTED:
                goods = {line.line_id: line.quantity for line in each.expected}
                self.world.erp.receive_return(self.key, each.return_id, goods)
        self.settle()

    def cancel(self, units: dict[str, int] | None = None) -> Any:
        """An operator cancels units, or all that has not left."""
        asked = CancelAsked(message_id=self._id(), actor="Ada", reason="not wanted", lines=units or {})
        answer = self._run.update("cancel", asked.message_id, asked)
        self.world.settle_down()
        self.settle()
        return answer

    def add_line(self, line_id: str, price: str, *payments: Payment) -> None:
        """A unit of something else comes onto the order."""
        now = self.order
        line = make_line(line_id, "MUG-LOGO", ordered=1, unit_price=price, tax_rates=())
        part = {"id": f"6{line_id}", "line_id": line_id, "quantity": 1, "remaining": 1}
        plan = {"id": f"7{line_id}", "location": "101", "open": True, "lines": [part]}
        told = now.model_dump()
        more = {
            "lines": [*told["lines"], line.model_dump()],
            "location_plans": [*told["location_plans"], plan],
            "payments": [*told["payments"], *(each.model_dump() for each in payments)],
            "total": now.total + Decimal(price),
            "presentment_total": now.presentment_total + Decimal(price),
        }
        self.world.storefront.revise(Order.model_validate(told | more))
        self.world.write_webhook(self.order, "orders/edited")

    def change(self, change: Callable[[Order], Order], topic: str) -> None:
        """Somebody changes the order in the storefront."""
        self.world.storefront.revise(change(self.order))
        self._tell(topic)

    def _tell(self, topic: str) -> None:
        self.world.write_webhook(self.order, topic)
        self.settle()

    @property
    def _run(self) -> Run:
        run = self.world.temporal.running(self.key.workflow_id)
        assert run is not None
        return run

    def _id(self) -> str:
        self._messages += 1
        return f"m{self._messages}"


@contextmanager
def life_of(
    order: Order, mapping: Mapping, folder: Path, prices: dict[str, Decimal] | None = None
) -> Iterator[Life]:
    """The order is placed and entered in the ERP."""
    database = WeatheredDatabase(f"sqlite:///{folder}/orders.db")
    database.migrate()
    house = House(database)
    life = Life(house, order, mapping, prices or {})
    try:
        yield life
    finally:
        life.world.close()
        house.close()
        database.close()

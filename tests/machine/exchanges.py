"""The state machine of orders whose buyers get something else for what comes back: ``OrderMachine`` and exchanges."""

from datetime import timedelta
from decimal import Decimal
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from adapters.errors import Unavailable
from domain.return_rules import ExchangeRule, ReturnRules
from tests.machine.beginnings import RETURN_RULES
from tests.machine.exchange_laws import check_exchanges
from tests.machine.machine import OrderMachine, numbers, soon

CALLS = ("open_exchange", "release_exchange", "add_exchange")


class ExchangeMachine(OrderMachine):
    """One order of a shop that exchanges goods."""

    return_rules: ClassVar[dict[str, ReturnRules]] = RETURN_RULES | {
        "open": RETURN_RULES["open"].model_copy(update={"exchange_ships": ExchangeRule.AT_ONCE})
    }
    prices: ClassVar[dict[str, Decimal]] = {
        "TEE-BLK-M": Decimal(24),
        "MUG-LOGO": Decimal(8),
        "SOCK-GRY": Decimal(3),
        "CAP-BLK": Decimal(61),
    }
    """In whole units of any currency."""

    @rule(dice=numbers)
    def buyer_wants_another(self, dice: int) -> None:
        self.people.want_another(dice)

    @rule(dice=numbers)
    def operator_begins_an_exchange(self, dice: int) -> None:
        self.people.ask_for_return(dice, exchange=True)

    @rule(dice=numbers, calls=soon)
    def somebody_wants_another_in_between(self, dice: int, calls: int) -> None:
        self.world.weather.let_people_act(calls, lambda: self.people.want_another(dice))

    @rule(dice=numbers, pays=st.booleans())
    def all_of_an_exchange(self, dice: int, pays: bool) -> None:
        """A wish for something else goes its whole way, to the parcel with it."""
        self.people.want_another(dice)
        self.settle()
        self.people.take_in(dice)
        self.settle()
        if pays:
            self.people.pay(dice)
            self.settle()
        self.people.ship_all(dice)
        self.settle()

    @rule(call=st.sampled_from(CALLS), lost=st.booleans(), nth=st.integers(1, 3))
    def trouble_with_an_exchange(self, call: str, lost: bool, nth: int) -> None:
        if lost:
            self.world.weather.lose_answer(call, nth=nth)
        else:
            self.world.weather.fail(
                call, lambda system, operation: Unavailable(system, operation, "is down"), nth=nth
            )

    @rule(days=st.integers(1, 50))
    def goods_are_late(self, days: int) -> None:
        """What is on its way comes after a while, one unit of it."""
        self.world.pass_time(timedelta(days=days))
        self.world.settle_down()
        self.people.take_in_a_unit(days)

    @rule(parcels=st.integers(3, 6))
    def many_parcels_leave(self, parcels: int) -> None:
        """Money that is taken parcel by parcel goes wrong with the third at the soonest."""
        self.parcel_by_parcel(parcels)

    @invariant()
    def exchanges_hold(self) -> None:
        if self.world is not None:
            check_exchanges(self.world, self.key)

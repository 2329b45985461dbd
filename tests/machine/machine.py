"""The state machine: what may happen to an order in any sequence, and what must hold whatever happened."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapters.errors import Unavailable
from domain.cases import CANCEL_PICKED
from domain.return_rules import ReturnRules
from tests.machine.beginnings import BEGINNINGS, RETURN_RULES, Beginning, asked_by, limited, mapping_with
from tests.machine.laws import check_after_every_step, check_at_rest
from tests.machine.model import Model
from tests.machine.page import sheet_of
from tests.machine.returners import Returners
from tests.machine.weather import store_away
from tests.machine.world import House, World
from workflows.messages import Attention, OperatorMessage

Act = Callable[[Returners, int], None]
BUYER: dict[str, Act] = {
    "lowers a line": Returners.lower_a_line,
    "adds a line": Returners.add_a_line,
    "writes a note": Returners.write_a_note,
    "moves house": Returners.move_house,
    "cancels": Returners.cancel_at_shop,
    "pays": Returners.pay,
    "wants it back": Returners.want_back,
    "keeps it after all": Returners.keep_after_all,
}
WAREHOUSE: dict[str, Act] = {
    "picks": Returners.pick,
    "puts back": Returners.put_back,
    "ships a unit": Returners.ship_a_part,
    "ships a parcel": Returners.ship_a_parcel,
    "ships all": Returners.ship_all,
    "takes a return in": Returners.take_in,
    "takes a unit in": Returners.take_in_a_unit,
    "takes in what nobody announced": Returners.take_in_unannounced,
}
OFFICE: dict[str, Act] = {
    "cancels": Returners.cancel_at_erp,
    "gives up a unit": Returners.give_up,
    "sends it after all": Returners.send_after_all,
    "posts invoices": Returners.post_invoices,
    "hides a product": Returners.hide_a_product,
    "closes the books": Returners.close_the_books,
    "mends": Returners.mend,
}
ACTS = {
    f"{who} {what}": act
    for who, acts in (("buyer", BUYER), ("warehouse", WAREHOUSE), ("office", OFFICE))
    for what, act in acts.items()
}
CALLS = (
    "read_order",
    "create_fulfillment",
    "capture_payment",
    "storefront.cancel_order",
    "submit_order",
    "draft_order",
    "accept_order",
    "amend_order",
    "approve_return",
    "authorize_return",
    "credit_return",
    "refund_order",
    "end_return",
    "cancel_return",
    "cancel_units",
    "find_order",
    "erp.cancel_order",
    "changes",
    "store.write",
    "*",
)
TROUBLES = ("down", "answer lost", "busy", "session gone", "conflict")
WISHES = ("cancel", "cancel_rest", "hold", "release", "resubmit", "accept", "approve")
VERDICTS = ("approve", "inspect", "settle", "end", "resubmit")
numbers = st.integers(0, 11)
A_UNIT = 1
"""The number by which a buyer wants one unit back."""
soon = st.integers(0, 6)


class OrderMachine(RuleBasedStateMachine):
    """One order of one shop. ``house`` is set by whoever runs it."""

    house: ClassVar[House]
    world_type: ClassVar[type[World]] = World
    return_rules: ClassVar[dict[str, ReturnRules]] = RETURN_RULES
    prices: ClassVar[dict[str, Decimal]] = {}
    """What the shop sells in exchange."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.said = 0

    @initialize(
        begins=BEGINNINGS,
        paid=st.sampled_from((True, True, True, False)),
        stock=st.sampled_from((None, None, None, 12)),
        returns=st.sampled_from(sorted(RETURN_RULES)),
    )
    def place(self, begins: Beginning, paid: bool, stock: int | None, returns: str) -> None:
        """The buyer orders."""
        order, done, rule = begins
        if not paid:
            order = order.model_copy(update={"payments": ()})
        self.world = self.world_type(
            self.house,
            mapping_with(rule, self.return_rules[returns]),
            stock=limited(order, stock),
            prices=self.prices,
        )
        self.key = order.key
        self.model = Model(rule, sheet_of(order))
        self.model.think()
        self.world.storefront.place(order)
        self.world.write_webhook(order, "orders/create")
        self.people = Returners(self.world, order.key, self.model)
        self.people.look_at_total()
        self.world.weather.noticed = self.people.notice
        self.model.reasons |= asked_by(self.return_rules[returns])
        if stock:
            self.model.reasons |= {"out_of_stock"}
        if done != "placed":
            self.world.deliver_webhook()
            self.world.work()
        if done in {"parcels", "returned"}:
            self.parcel_by_parcel(3)
        if done == "returned":
            self.people.want_back(A_UNIT)
            self.settle()
            self.people.take_in(0)
            self.settle()
            self.parcel_by_parcel(1)
        if done == "delivered":
            self.people.ship_all(0)
            self.settle()

    # -- people --------------------------------------------------------------------------------------------------------

    @rule(act=st.sampled_from(sorted(BUYER)), dice=numbers)
    def buyer(self, act: str, dice: int) -> None:
        BUYER[act](self.people, dice)

    @rule(act=st.sampled_from(sorted(WAREHOUSE)), dice=numbers)
    def warehouse(self, act: str, dice: int) -> None:
        WAREHOUSE[act](self.people, dice)

    @rule(act=st.sampled_from(sorted(OFFICE)), dice=numbers)
    def office(self, act: str, dice: int) -> None:
        OFFICE[act](self.people, dice)

    @rule(act=st.sampled_from(sorted(ACTS)), dice=numbers, calls=soon)
    def somebody_in_between(self, act: str, dice: int, calls: int) -> None:
        self.world.weather.let_people_act(calls, lambda: ACTS[act](self.people, dice))

    @rule(wish=st.sampled_from(WISHES), signal=st.booleans())
    def operator(self, wish: str, signal: bool) -> None:
        self.ask(wish, signal=signal)

    @rule(dice=numbers)
    def operator_begins_a_return(self, dice: int) -> None:
        self.people.ask_for_return(dice)

    @rule(wish=st.sampled_from(VERDICTS), dice=numbers)
    def operator_of_a_return(self, wish: str, dice: int) -> None:
        self.people.decide(wish, dice)

    @rule(parcels=st.integers(2, 4))
    def parcels_leave(self, parcels: int) -> None:
        self.parcel_by_parcel(parcels)

    @rule(dice=numbers)
    def all_of_a_return(self, dice: int) -> None:
        """A buyer's wish goes its whole way, as most do."""
        self.people.want_back(dice)
        self.settle()
        self.people.take_in(dice)
        self.settle()

    # -- what goes on --------------------------------------------------------------------------------------------------

    @rule(steps=st.integers(1, 8), dice=numbers)
    def work(self, steps: int, dice: int) -> None:
        for number in range(steps):
            self.world.step(dice * number)

    @rule(dice=numbers)
    def attempt(self, dice: int) -> None:
        self.world.attempt(dice)

    @precondition(lambda self: self.world and self.world.post)
    @rule(place=numbers, again=st.sampled_from((False, False, False, True)))
    def webhook_arrives(self, place: int, again: bool) -> None:
        self.world.deliver_webhook(place % len(self.world.post), again=again)

    @rule()
    def feed_looks(self) -> None:
        self.world.look_at_feed()

    @rule(minutes=st.integers(1, 600))
    def time_passes(self, minutes: int) -> None:
        self.world.pass_time(timedelta(minutes=minutes))
        self.world.settle_down()

    @rule(days=st.integers(1, 50))
    def days_pass(self, days: int) -> None:
        self.world.pass_time(timedelta(days=days))
        self.world.settle_down()

    # -- what goes wrong -----------------------------------------------------------------------------------------------

    @rule(call=st.sampled_from(CALLS), trouble=st.sampled_from(TROUBLES), nth=st.integers(1, 3))
    def trouble(self, call: str, trouble: str, nth: int) -> None:
        faults = self.world.weather
        match trouble:
            case _ if call == "store.write":
                faults.fail(call, store_away, nth=nth)  # type: ignore[arg-type]
            case "answer lost" if call != "*":
                faults.lose_answer(call, nth=nth)
            case "busy":
                faults.rate_limit("storefront.*|erp.*", timedelta(seconds=3), nth=nth)
            case "session gone":
                faults.expire_session("storefront.*|erp.*", nth=nth)
            case "conflict":
                faults.conflict("erp.*", nth=nth)
            case _:
                faults.fail(
                    "storefront.*|erp.*" if call == "*" else call,
                    lambda system, operation: Unavailable(system, operation, "is down"),
                    nth=nth,
                )

    @rule(calls=soon, after=st.booleans())
    def worker_dies_soon(self, calls: int, after: bool) -> None:
        self.world.weather.crash(calls, after=after)

    @rule()
    def worker_dies(self) -> None:
        self.world.crash()

    @rule()
    def history_grows_long(self) -> None:
        for run in self.world.temporal.all_running():
            run.suggest_continue_as_new = True

    # -- at rest -------------------------------------------------------------------------------------------------------

    @rule()
    def all_settles(self) -> None:
        self.settle()

    @invariant()
    def laws_hold(self) -> None:
        if self.world is not None:
            check_after_every_step(self.world, self.key, self.model)

    def teardown(self) -> None:
        if self.world is None:
            return
        try:
            self.end_well()
        except BaseException:
            note(f"story:\n{self.world.story(self.key)}")
            raise
        finally:
            self.world.close()

    # -- parts ---------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """No more trouble; all news arrives; everybody rests."""
        world = self.world
        world.weather.calm_down()
        for _ in range(20):
            seen = world.erp.last_change
            while world.post:
                world.deliver_webhook()
            world.look_at_feed()
            world.work()
            if not world.post and world.erp.last_change == seen:
                break
        world.look_at_feed()
        world.work()
        check_after_every_step(world, self.key, self.model)
        check_at_rest(world, self.key, self.model)

    def ask(self, wish: str, *, signal: bool) -> Any:
        """An operator's word; None where no order is there to hear it."""
        run = self.world.temporal.running(self.key.workflow_id)
        if run is None:
            return None
        self.said += 1
        view = self.world.view(self.key)
        if wish == "accept" and view is not None and wish in view.can_do:
            self.model.accepted = True
        self.model.resubmitted = self.model.resubmitted or wish == "resubmit"
        if wish == "cancel":
            # Units that are picked wait for the warehouse, or leave meanwhile.
            self.model.reasons |= {CANCEL_PICKED, "units_have_left"}
        reason = "looked at it" if wish in {"accept", "approve"} else ""
        message = OperatorMessage(message_id=f"op-{self.said}", actor="Ada", reason=reason)
        answered = None
        if signal:
            run.signal(wish, message)
        else:
            answered = run.update(wish, f"u-{self.said}", message)
        self.world.settle_down()
        return answered

    def end_well(self) -> None:
        """Operators and the warehouse do what is left to do; then the order is over, or waits in a case."""
        self.settle()
        for _ in range(12):
            view = self.world.view(self.key)
            if view is None or view.attention in OVER:
                break
            if "release" in view.can_do:
                self.ask("release", signal=False)
            self.people.mend()
            if view.problem is not None:
                self.people.put_back(0)
                self.people.put_back(1)
                helps = next(
                    (w for w in ("approve", "accept", "cancel_rest") if w in view.can_do), "resubmit"
                )
                if helps == "resubmit":
                    self.people.send_after_all(0)
                self.ask(helps, signal=False)
            self.people.help_returns()
            self.people.pay(0)
            self.settle()
            self.people.ship_all(0)
            self.people.take_in(0)
            self.settle()
            self.world.pass_time(timedelta(days=110))
            self.world.settle_down()
            self.settle()
        view = self.world.view(self.key)
        if view is not None and view.attention not in OVER:
            assert view.problem is not None, f"not over, and nobody is asked: {view.waiting_for}"
        under_way = self.world.returns_under_way(self.key)
        assert not under_way or (view is not None and view.problem), f"still under way: {sorted(under_way)}"

    def parcel_by_parcel(self, parcels: int) -> None:
        """So many parcels leave, a unit in each, and each is heard of before the next leaves."""
        for number in range(parcels):
            self.people.ship_a_part(number)
            self.world.look_at_feed()
            self.world.work()


OVER = {Attention.CLOSED, Attention.CANCELED, Attention.IGNORED}

"""What people do about goods that come back: buyers, the warehouse, and operators who decide."""

from collections import Counter
from typing import Any

from domain.erp_order import ErpReturn, ErpReturnState
from domain.order import ReturnStatus, StorefrontReturn
from domain.returns import LIVE, Disposition
from tests.machine.model import Units
from tests.machine.page import pick_one, sheet_of
from tests.machine.people import People
from tests.machine.run import Run
from workflows.messages import OperatorMessage, ReturnAsked
from workflows.return_messages import Inspection, ReturnView

_COMING = {ErpReturnState.EXPECTED, ErpReturnState.RECEIVED}
_VERDICTS = (Disposition.RESTOCK, Disposition.SCRAP, Disposition.REJECT)


class Returners(People):
    """Everybody but us around one order, also after it was delivered."""

    def notice(self, operation: str) -> None:
        """A system did something that we had asked for."""
        if operation == "refund_order":
            self._see_refunds()
        elif operation == "cancel_units":
            self.see_canceled_units()
        elif operation == "credit_return":
            self._see_credits()
        elif operation == "end_return":
            self._see_what_stays_unpaid()
        elif operation == "release_exchange" and self.order.canceled_at is None:
            self._see_new_lines()

    # -- the buyer -----------------------------------------------------------------------------------------------------

    def want_back(self, dice: int, instead: Units | None = None) -> None:
        """The buyer asks to return what they have: a unit, all of a line, or everything.

        ``instead``: SKU -> units that they want for it.
        """
        wished = Counter(
            {line: units for line, units in self._at_the_buyers().items() if units > self._wished(line)}
        )
        wished = wished - Counter({line: self._wished(line) for line in wished})
        if not wished or self.order.canceled_at is not None:
            return
        if dice % 4:
            line = pick_one(sorted(wished), dice)
            assert line is not None
            wished = Counter({line: wished[line] if dice % 3 == 0 else 1})
        self._model.ask_back(dict(wished))
        self._world.storefront.request_return(self._key.external_id, dict(wished), "too small", instead)
        self._world.write_webhook(self.order, "returns/request")

    def want_another(self, dice: int) -> None:
        """The buyer asks for something else instead: dearer, cheaper, or the same again."""
        self.want_back(dice, self._instead(dice))

    def keep_after_all(self, dice: int) -> None:
        """The buyer takes a wish back of which nothing has come; it may be on its way."""
        asked = [
            each
            for each in self._live()
            if not self._model.came.get(each.return_id) and not any(part.processed for part in each.exchange)
        ]
        each = pick_one(asked, dice)
        if each is not None:
            if each.exchange:
                self._model.reasons |= {"exchange_closed"}
            # Its goods may come in before anybody hears of it; then the shop pays nothing for it.
            self._model.reasons |= {"not_returnable", "return_received"}
            self._world.storefront.withdraw_return(self._key.external_id, each.return_id)
            self._world.write_webhook(self.order, "returns/cancel")

    # -- the warehouse -------------------------------------------------------------------------------------------------

    def take_in(self, dice: int) -> None:
        """Goods that are expected come in, all that are still to come."""
        held = pick_one(self._coming(), dice)
        if held is not None:
            self._receive(held, self._still_to_come(held))

    def take_in_a_unit(self, dice: int) -> None:
        """One unit of what is expected comes in."""
        held = pick_one(self._coming(), dice)
        line = pick_one(sorted(self._still_to_come(held)), dice) if held else None
        if held is not None and line is not None:
            self._receive(held, {line: 1})

    def take_in_unannounced(self, dice: int) -> None:
        """A parcel comes that nobody knows of."""
        there = self._at_the_buyers()
        line = pick_one(sorted(there), dice)
        if line is not None and self._key in self._world.erp.orders:
            units = {line: 1 + dice % there[line]}
            self._model.ask_back(units)
            self._model.reasons |= {"return_received"}
            warehouse = ("WH-EAST", "WH-WEST")[dice % 2]
            return_id = self._world.erp.receive_unannounced(self._key, warehouse, units)
            self._model.came[return_id] = units

    # -- operators -----------------------------------------------------------------------------------------------------

    def ask_for_return(self, dice: int, *, exchange: bool = False) -> None:
        """An operator begins a return for the buyer; now and then of more than is possible, or without goods."""
        line = pick_one([line.line_id for line in self.order.lines if line.ordered], dice)
        if line is None or self._world.view(self._key) is None:
            return
        units = {line: 1 + dice % 3}
        # What came in no parcel is refused.
        if line not in self._model.sheet.without_parcel:
            self._model.ask_back(units)
        asked = ReturnAsked(
            message_id=self.next_message(),
            actor="Ada",
            reason="called",
            lines=units,
            without_goods=not dice % 2,
            exchange=self._instead(dice) if exchange else {},
        )
        self._world.ask_return(asked, self._key)

    def decide(self, wish: str, dice: int) -> None:
        """Say something about a return that is under way; it may say that this is not possible."""
        returns = self._world.returns_under_way(self._key)
        return_id = pick_one(sorted(returns), dice)
        if return_id is None:
            return
        if wish == "inspect":
            self._inspect(return_id, returns[return_id], dice)
        elif wish != "end" or not _credited(returns[return_id]):
            self._say(returns[return_id], wish)
        self._world.settle_down()

    def help_returns(self) -> None:
        """Do what is left to do for every return: agree, say what becomes of goods, end what nothing comes of."""
        for return_id, run in self._world.returns_under_way(self._key).items():
            told = run.query("status", ReturnView)
            refused = told.problem is not None and told.problem.cause.startswith("not_returnable")
            self._reopen(return_id)
            if "approve" in told.can_do:
                self._say(run, "approve")
            elif "inspect" in told.can_do:
                self._inspect(return_id, run, 2 if refused else 0)
            elif "end" in told.can_do and not _credited(run):
                self._say(run, "end")
            if told.problem is not None:
                self._say(run, "resubmit")
            self._world.settle_down()

    def _say(self, run: Run, wish: str) -> Any:
        self._model.resubmitted = self._model.resubmitted or wish == "resubmit"
        if run.outcome is None:
            name = self.next_message()
            return run.update(
                wish, name, OperatorMessage(message_id=name, actor="Ada", reason="looked at it")
            )
        return None

    def _inspect(self, return_id: str, run: Run, dice: int) -> None:
        told = run.query("status", ReturnView)
        verdicts: dict[str, dict[Disposition, int]] = {}
        for number, line in enumerate(each for each in told.lines if each.received):
            first, second = _VERDICTS[(dice + number) % 3], _VERDICTS[dice % 2]
            units = Counter({first: line.received - dice % 2})
            units[second] += dice % 2
            verdicts[line.line_id] = dict(units)
        if not verdicts:
            return
        name = self.next_message()
        answered = run.update(
            "inspect", name, Inspection(message_id=name, actor="Ada", reason="seen", lines=verdicts)
        )
        if not answered.refused:
            self._model.said.setdefault(return_id, []).append(
                {
                    str(verdict): {
                        line: told[verdict] for line, told in verdicts.items() if told.get(verdict)
                    }
                    for verdict in _VERDICTS
                }
            )

    def _reopen(self, return_id: str) -> None:
        """The shop's staff take up again what a buyer took back though the goods were there."""
        for each in self.order.returns:
            if each.return_id == return_id and each.status not in {*LIVE, ReturnStatus.CLOSED}:
                self._world.storefront.reopen_return(self._key.external_id, return_id)

    # -- parts ---------------------------------------------------------------------------------------------------------

    def next_message(self) -> str:
        """An id that no message had."""
        self._numbers += 1
        return f"m-{self._numbers}"

    def _live(self) -> list[StorefrontReturn]:
        return [each for each in self.order.returns if each.status in LIVE]

    def _wished(self, line: str) -> int:
        """Units of a line that the buyer has asked to return."""
        return sum(part.quantity for each in self._live() for part in each.lines if part.line_id == line)

    def _at_the_buyers(self) -> dict[str, int]:
        """Line -> units that the buyer has and, by the shop's page, has paid."""
        there = {}
        for line in self.order.lines:
            units = min(self._model.with_the_buyer(line.line_id), line.current - self._to_leave(line.line_id))
            if units > 0 and line.line_id not in self._model.sheet.without_parcel:
                there[line.line_id] = units
        return there

    def _to_leave(self, line: str) -> int:
        """Units of a line that, by the shop's page, are still to leave."""
        plans = [plan for plan in self.order.location_plans if plan.open]
        return sum(part.remaining for plan in plans for part in plan.lines if part.line_id == line)

    def _coming(self) -> list[ErpReturn]:
        order = self._world.erp.orders.get(self._key)
        returns = order.returns if order else ()
        return [each for each in returns if each.state in _COMING and self._still_to_come(each)]

    def _still_to_come(self, held: ErpReturn) -> Units:
        units = {}
        for line in held.expected:
            missing = line.quantity - self._model.came.get(held.return_id, {}).get(line.line_id, 0)
            there = min(missing, self._model.with_the_buyer(line.line_id))
            if there > 0:
                units[line.line_id] = there
        return units

    def _receive(self, held: ErpReturn, units: Units) -> None:
        if units:
            self._model.reasons |= {"return_received"}
            self._world.erp.receive_return(self._key, held.return_id, units)
            came = Counter(self._model.came.get(held.return_id, {}))
            came.update(units)
            self._model.came[held.return_id] = dict(came)

    def _instead(self, dice: int) -> Units:
        """SKU -> units of something that the shop sells."""
        skus = sorted(self._world.storefront.prices)
        return {skus[dice % len(skus)]: 1 + dice // 4 % 2}

    def _see_new_lines(self) -> None:
        """What the buyer gets is on the page, once."""
        if len(self.order.lines) == len(self._model.sheet.units):
            return
        self._model.see(sheet_of(self.order))
        self.look_at_total()
        self._world.write_webhook(self.order, "orders/edited")

    def _see_what_stays_unpaid(self) -> None:
        """What was got for goods that are not coming, or are not taken, is the buyer's to pay: a person sees to it."""
        for each in self.order.returns:
            lacks = any(line.processed < line.quantity for line in each.lines)
            if each.status not in LIVE and lacks and any(part.processed for part in each.exchange):
                self._model.reasons |= {"unbalanced"}

    def _see_refunds(self) -> None:
        for name in self._world.storefront.refunds:
            return_id = name.rpartition(":")[2]
            if return_id not in self._model.refunds:
                self._model.refund(return_id, sheet_of(self.order))
                self._come_after_return()
                self._world.write_webhook(self.order, "refunds/create")

    def _see_credits(self) -> None:
        """Goods were put on the shelf: so many as somebody said, or all."""
        held = self._world.erp.orders[self._key]
        for each in held.returns:
            if each.state is not ErpReturnState.SETTLED or each.return_id in self._credited:
                continue
            self._credited.add(each.return_id)
            # Others wait for its refund, and not for ever.
            self._model.reasons |= {"call_fails"}
            warehouse = self._world.erp.return_places.get((self._key, each.return_id))
            products = {line.line_id: line.product for line in held.lines}
            words = self._model.said.get(each.return_id, [])
            credited = {line.line_id: line.quantity for line in each.credited}
            meant = [w for w in words if Counter(w["restock"]) + Counter(w["scrap"]) == Counter(credited)]
            came = self._model.came.get(each.return_id, {})
            stocked = meant[-1]["restock"] if meant else (credited or came) if came else {}
            for line, units in stocked.items():
                place = (warehouse or "", products.get(line, ""))
                if place in self._world.first_stock:
                    self._world.first_stock[place] += units


def _credited(run: Run) -> bool:
    """To end it now would say that its money was given back by hand, and nobody here does that."""
    return run.outcome is None and run.query("status", ReturnView).sentence.startswith("Settled in the ERP")

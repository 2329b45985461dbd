"""What people do to an order: the buyer and the shop's staff, the warehouse and the back office.

Each act is a method that takes a number to choose by, does what is possible now, and tells the model. Most do nothing
where there is nothing to do.
"""

from decimal import Decimal
from fractions import Fraction

from adapters.errors import Rejected
from domain.cases import GIVEN_UP
from domain.erp_order import ErpOrderState, ErpReturnState, ErpShipment, ErpShipmentState
from domain.money import proportion
from domain.order import (
    Order,
    OrderKey,
    Payment,
    PaymentKind,
    PaymentStatus,
    StorefrontReturn,
)
from domain.returns import LIVE
from tests.machine.model import Model
from tests.machine.page import cents, is_refund, is_taken, pick_one, refunded, refunded_by_returns, sheet_of
from tests.machine.world import World
from tests.order_builder import make_line

TOO_LATE = {"edit_refused", "not_open_to_ship", "not_returnable", "unbalanced"}
"""Where an order may stop whose goods were in hand, or had left, when it was edited."""
RESTOCKED = 50
APPROVED_ABOVE = Decimal(10000)
_OVER = {ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED}
_PROMISED = {PaymentKind.AUTHORIZATION, PaymentKind.SALE}
_TAKEN = {ErpShipmentState.PICKED, ErpShipmentState.PACKED}


class People:
    """Everybody but us, around one order."""

    def __init__(self, world: World, key: OrderKey, model: Model) -> None:
        self._world, self._key, self._model = world, key, model
        self._numbers = 0
        self._credited: set[str] = set()
        """Returns that the ERP has settled, as far as somebody looked."""

    @property
    def order(self) -> Order:
        """The shop's page of the order."""
        return self._world.storefront.orders[self._key.external_id]

    def look_at_total(self) -> None:
        """Orders above this a person approves, as the sandbox's mapping has it."""
        if self.order.total > APPROVED_ABOVE:
            self._model.reasons |= {"approval_needed"}

    # -- buyer and shop ------------------------------------------------------------------------------------------------

    def lower_a_line(self, dice: int) -> None:
        """The buyer takes units off that the shop does not show as shipped."""
        # What needs no parcel cannot be had back once it is delivered: that would be a refund.
        kept = self._model.sheet.without_parcel if self._key in self._world.erp.orders else set()
        line = pick_one(
            [line for line in self.order.lines if line.current and line.line_id not in kept], dice
        )
        if line is None or self.order.canceled_at is not None:
            return
        shown = sum(
            part.quantity for f in self.order.fulfillments for part in f.lines if part.line_id == line.line_id
        )
        fewer = range(max(shown - self._model.back.get(line.line_id, 0), 0), line.current)
        if fewer:
            self._world.storefront.edit_quantity(
                self._key.external_id, line.line_id, fewer[dice % len(fewer)]
            )
            self._edited()

    def add_a_line(self, dice: int) -> None:
        """The buyer adds units of another product, and promises to pay them."""
        order = self.order
        if (
            order.canceled_at is not None
            or len(order.lines) > 4
            or order.presentment_currency != order.currency
        ):
            return
        line = make_line(
            f"9{len(order.lines)}", "MUG-LOGO", 1 + dice % 2, unit_price=Decimal(8), tax_rates=()
        )
        plan = order.location_plans[0].model_copy() if order.location_plans else None
        if plan is None:
            return
        self._numbers += 1
        part = {
            "id": f"60{self._numbers}",
            "line_id": line.line_id,
            "quantity": line.current,
            "remaining": line.current,
        }
        more = line.current * line.unit_price
        promise = Payment(
            payment_id=f"88{self._numbers}",
            kind=PaymentKind.AUTHORIZATION,
            status=PaymentStatus.SUCCESS,
            gateway="shopify_payments",
            amount=more,
            presentment_amount=more,
        )
        plans = order.model_validate(
            order.model_dump()
            | {
                "location_plans": [
                    *order.model_dump()["location_plans"],
                    {
                        "id": f"70{self._numbers}",
                        "location": ("101", "102")[dice % 2],
                        "open": True,
                        "lines": [part],
                    },
                ],
                "lines": [*order.model_dump()["lines"], line.model_dump()],
                "payments": [*order.model_dump()["payments"], promise.model_dump()],
                "total": order.total + more,
                "presentment_total": order.presentment_total + more,
            }
        )
        self._world.storefront.revise(plans)
        self._edited()

    def write_a_note(self, dice: int) -> None:
        """The buyer says something to the warehouse."""
        if self.order.canceled_at is None:
            self._world.storefront.revise(self.order.model_copy(update={"note": f"Ring {dice} times."}))
            self._edited()

    def move_house(self, dice: int) -> None:
        """The parcels are to go elsewhere."""
        address = self.order.shipping_address
        if self.order.canceled_at is None and address is not None:
            moved = address.model_copy(update={"street": (f"{dice} Main Street",)})
            self._world.storefront.revise(self.order.model_copy(update={"shipping_address": moved}))
            self._edited()

    def cancel_at_shop(self, dice: int) -> None:
        """The buyer gives it up, as long as the shop lets them."""
        del dice
        held = self._world.erp.orders.get(self._key)
        parcels = held is None or any(s.state is not ErpShipmentState.CANCELED for s in held.shipments)
        # What needs no parcel is delivered once it is entered: giving it up then is a return.
        if self.order.canceled_at is not None or not parcels:
            return
        try:
            self._world.storefront.cancel_by_customer(self._key.external_id)
        except Rejected:
            return
        self._model.canceled_at_shop = True
        # What the warehouse sends meanwhile, or has sent, the shop takes no more.
        self._model.reasons |= {"cancel_refused", "not_open_to_ship"}
        self._world.write_webhook(self.order, "orders/cancelled")

    def pay(self, dice: int) -> None:
        """The buyer promises what is still missing."""
        order = self.order
        promised = sum(
            (
                p.presentment_amount
                for p in order.payments
                if p.kind in _PROMISED and p.status is PaymentStatus.SUCCESS
            ),
            Decimal(0),
        )
        missing = order.presentment_total - promised + self._not_for_the_goods()
        if order.canceled_at is not None or missing <= 0:
            return
        if any(part.processed for each in self._being_settled() for part in each.exchange):
            # What goes back is worked out by now: what is paid in this moment comes too late for it.
            self._model.reasons |= {"unbalanced"}
        self._numbers += 1
        payment = Payment(
            payment_id=f"88{self._numbers}",
            kind=(PaymentKind.AUTHORIZATION, PaymentKind.SALE)[dice % 2],
            status=PaymentStatus.SUCCESS,
            gateway="shopify_payments",
            amount=proportion(order.total, missing, order.presentment_total, order.currency),
            presentment_amount=missing,
        )
        paid = order.model_copy(update={"payments": (*order.payments, payment)})
        self._world.storefront.revise(paid)
        # What is paid at once on top of what was taken is the buyer's own doing, too.
        self._model.pay(sum(cents(order, p.amount) for p in paid.payments if is_taken(p)))
        self._world.write_webhook(paid, "orders/paid")

    # -- warehouse and back office -------------------------------------------------------------------------------------

    def pick(self, dice: int) -> None:
        """Goods are taken off the shelf."""
        shipment = pick_one([s for s in self._open() if s.state not in _TAKEN], dice)
        if shipment is not None:
            self._touch()
            self._world.erp.pick(self._key, shipment.warehouse)

    def put_back(self, dice: int) -> None:
        """And back onto it."""
        shipment = pick_one([s for s in self._open() if s.state in _TAKEN], dice)
        if shipment is not None:
            self._world.erp.put_back(self._key, shipment.warehouse)

    def ship_a_part(self, dice: int) -> None:
        """A parcel leaves with one unit of one line."""
        shipment = pick_one(self._open(), dice)
        if shipment is not None:
            line = shipment.lines[dice % len(shipment.lines)]
            self._ship(shipment, {line.line_id: 1})

    def ship_a_parcel(self, dice: int) -> None:
        """A shipment leaves whole."""
        shipment = pick_one(self._open(), dice)
        if shipment is not None:
            self._ship(shipment, {line.line_id: line.quantity for line in shipment.lines})

    def ship_all(self, dice: int) -> None:
        """Everything that waits leaves."""
        del dice
        for shipment in self._open():
            self._ship(shipment, {line.line_id: line.quantity for line in shipment.lines})

    def cancel_at_erp(self, dice: int) -> None:
        """The back office cancels the order there, where nothing is picked."""
        del dice
        order = self._world.erp.orders.get(self._key)
        if (
            order is None
            or not self._open()
            or order.state is not ErpOrderState.ACCEPTED
            or self._world.erp.obstacle_to_cancel(order)
        ):
            return
        self._world.erp.cancel_by_staff(self._key)
        self._model.canceled_at_erp = True
        self._model.reasons |= {"canceled_in_erp"}

    def give_up(self, dice: int) -> None:
        """People decide that a unit is not sent."""
        shipment = pick_one(self._open(), dice)
        if shipment is not None:
            line = shipment.lines[dice % len(shipment.lines)].line_id
            self._world.erp.give_up(self._key, {line: 1})
            self._model.reasons |= {GIVEN_UP}

    def send_after_all(self, dice: int) -> None:
        """Whatever was given up waits to be picked again."""
        del dice
        held = self._world.erp.orders.get(self._key)
        if held is not None and held.given_up:
            self._world.erp.send_after_all(self._key)

    def post_invoices(self, dice: int) -> None:
        """Accounting posts what is a draft."""
        del dice
        if self._key in self._world.erp.orders:
            self._world.erp.post_invoices(self._key)

    def hide_a_product(self, dice: int) -> None:
        """Somebody archives a product that is still sold."""
        line = pick_one(self.order.lines, dice)
        if line is not None and line.sku:
            self._world.erp.forbid_product(line.sku)
            self._model.reasons |= {"product_unknown"}

    def close_the_books(self, dice: int) -> None:
        """No order of the month is taken any more."""
        del dice
        self._world.erp.close_period()
        self._model.reasons |= {"period_closed"}

    def mend(self, dice: int = 0) -> None:
        """Everything that a person can mend at the ERP is mended."""
        del dice
        erp = self._world.erp
        erp.open_period()
        for code in tuple(erp.forbidden_products):
            erp.allow_product(code)
        for place in erp.stock:
            erp.stock[place] += RESTOCKED
            self._world.first_stock[place] += RESTOCKED

    # -- parts ---------------------------------------------------------------------------------------------------------

    def exchanged(self) -> set[str]:
        """Lines that came onto the order in exchange."""
        return {line for each in self.order.returns for part in each.exchange for line in part.line_ids}

    def _being_settled(self) -> list[StorefrontReturn]:
        """Returns that are credited in the ERP, or in this moment, and not paid back yet."""
        held = self._world.erp.orders.get(self._key)
        settled = {x.return_id for x in held.returns if x.state is ErpReturnState.SETTLED} if held else set()
        for return_id, run in self._world.returns_under_way(self._key).items():
            if any(task.name == "credit_return" for task in run.tasks.values()):
                settled.add(return_id)
        return [each for each in self.order.returns if each.return_id in settled and each.status in LIVE]

    def _not_for_the_goods(self) -> Decimal:
        """What went back to the buyer, and the fees that were kept of it, in their currency."""
        back = [
            p
            for p in self.order.payments
            if p.kind is PaymentKind.REFUND and p.status is PaymentStatus.SUCCESS
        ]
        held = self._world.erp.orders.get(self._key)
        fees = sum((each.fee for each in held.returns), Decimal(0)) if held else Decimal(0)
        order = self.order
        promised = [p for p in order.payments if p.kind in _PROMISED and p.status is PaymentStatus.SUCCESS]
        whole = sum((p.amount for p in promised), Decimal(0))
        if fees and whole and order.currency != order.presentment_currency:
            # The page may show nothing any more: the rate is that of the payments.
            paid = sum((p.presentment_amount for p in promised), Decimal(0))
            fees = proportion(paid, fees, whole, order.presentment_currency)
        return sum((p.presentment_amount for p in back), Decimal(0)) + fees

    def see_canceled_units(self) -> None:
        """Units are off the page because an operator wanted that."""
        order = self.order
        back = refunded(order) - refunded_by_returns(self._world)
        if back > self._model.back_for_units:
            # Also where a buyer's own edit had taken them off, and the money was still held.
            held = sum((p.presentment_amount for p in order.payments if is_taken(p)), Decimal(0))
            assert held - refunded(order) >= order.presentment_total, (
                "more went back than was held beyond the page"
            )
            self._model.back_for_units = back
            paid = sum((p.amount for p in order.payments if is_refund(p)), Decimal(0))
            self._model.given_for_units = cents(order, paid) * Fraction(back) / Fraction(refunded(order))
        if sheet_of(order) != self._model.sheet:
            self._edited()

    def _edited(self) -> None:
        self._model.see(sheet_of(self.order))
        self.look_at_total()
        self._world.write_webhook(self.order, "orders/edited")
        sales = [p for p in self.order.payments if p.kind is PaymentKind.SALE]
        paid = sum((p.amount for p in sales), Decimal(0))
        taken = max(self._model.may_have_taken, cents(self.order, paid))
        # In another currency it may be a cent too much that is none in the shop's.
        beyond = sum((p.presentment_amount for p in sales), Decimal(0)) > self.order.presentment_total
        # Nobody gives the buyer money back here; and what the warehouse has in hand cannot be edited.
        if beyond or taken > self._model.sheet.total + self._model.given_back or self._touched():
            self._model.reasons |= TOO_LATE
        self._come_after_return()

    def _come_after_return(self) -> None:
        """Once goods came back, what came too late of an edit is refused under another name."""
        if self._model.back and self._model.reasons >= TOO_LATE:
            self._model.reasons |= {"edit_after_return"}

    def _touch(self) -> None:
        """The warehouse takes something in hand; of an edit that is not carried over yet some may come too late."""
        if not self._carried_over():
            self._model.reasons |= TOO_LATE
            self._come_after_return()

    def _carried_over(self) -> bool:
        """Whether the ERP has the order as the page has it, what came back aside."""
        entered, order = self._world.erp.entered[self._key], self.order
        instead, sheet = self.exchanged(), self._model.sheet
        if instead & self._model.back.keys():
            return False
        units = {line: 0 for line in sheet.units if line not in instead}
        for line in entered.lines:
            if line.line_id in units:
                units[line.line_id] += line.quantity
        back = self._model.back
        due = {line: sheet.units[line] + back.get(line, 0) for line in units}
        sold = cents(order, order.total) - sum(sheet.worth.get(line, 0) for line in instead)
        entered_as_sold = entered.total - sum(
            (each.total for each in self._world.erp.orders[self._key].exchanges), Decimal(0)
        )
        same = units == due and cents(order, entered_as_sold) == sold + self._model.given_back
        return (
            same and entered.shipping_address == order.shipping_address and order.note in entered.instructions
        )

    def _touched(self) -> bool:
        order = self._world.erp.orders.get(self._key)
        return order is not None and any(
            s.state in _TAKEN or s.state is ErpShipmentState.SHIPPED for s in order.shipments
        )

    def _open(self) -> list[ErpShipment]:
        order = self._world.erp.orders.get(self._key)
        return [s for s in order.shipments if s.state not in _OVER] if order else []

    def _ship(self, shipment: ErpShipment, units: dict[str, int]) -> None:
        self._touch()
        self._numbers += 1
        tracking = f"T{self._numbers}"
        self._model.ship(tracking, units)
        self._world.erp.ship(self._key, shipment.warehouse, units, tracking=tracking)

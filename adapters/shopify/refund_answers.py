"""The shape of Shopify's answers about refunds, as far as this adapter reads them; see ``answers``."""

from collections.abc import Iterable

from pydantic import Field

from adapters.shopify.answer import Answer, Identified, Page
from adapters.shopify.answers import BothMoney, Duty, Money, ShopMoney, TaxLine, Transaction
from adapters.shopify.global_ids import GidTail
from domain.model import Currency, Quantity


class PresentmentMoney(Answer):
    """Money in the buyer's currency."""

    presentment_money: Money


class Refund(Answer):
    """A refund; the note holds the key of one that we made."""

    id: GidTail
    note: str | None = None
    return_: Identified | None = Field(default=None, validation_alias="return")
    """The return that it settled."""
    total_refunded_set: PresentmentMoney


class LineUnits(Answer):
    """Units of a line: of ``refundable_quantity``, which are not refunded yet, some have not left."""

    id: GidTail
    quantity: Quantity
    current_quantity: Quantity
    refundable_quantity: Quantity
    unfulfilled_quantity: Quantity
    duties: tuple[Duty, ...] = ()
    """Read apart, where the order has any."""


class Charge(Answer):
    """A charge for delivery and what is left of its price."""

    id: GidTail | None = None
    is_removed: bool
    discounted_price_set: PresentmentMoney
    """As it was bought."""
    current_discounted_price_set: BothMoney
    tax_lines: tuple[TaxLine, ...]
    """On the price as it was bought."""


class Charges(Answer):
    """The charges of an order."""

    nodes: tuple[Charge, ...]

    @property
    def left(self) -> tuple[Charge, ...]:
        """Those that were not taken off the order."""
        return tuple(charge for charge in self.nodes if not charge.is_removed)


class RefundState(Answer):
    """What was paid, refunded and sent."""

    original_total_duties_set: ShopMoney | None = None
    duties_included: bool

    currency_code: Currency
    presentment_currency_code: Currency
    taxes_included: bool
    transactions: tuple[Transaction, ...]
    refunds: tuple[Refund, ...]
    shipping_lines: Charges
    line_items: Page[LineUnits]

    def duties_on(self, lines: Iterable[str]) -> tuple[Duty, ...]:
        """Those that are charged on these lines, which go back with their units."""
        ids = set(lines)
        nodes = () if self.duties_included else self.line_items.nodes
        return tuple(duty for line in nodes if line.id in ids for duty in line.duties)


class TaxedLine(Answer):
    """A line, and its taxes for ``quantity``: all units that it ever had."""

    id: GidTail
    quantity: Quantity
    current_quantity: Quantity
    tax_lines: tuple[TaxLine, ...]


class QuotedLine(Answer):
    """Units of a line and what they are worth."""

    line_item: TaxedLine
    quantity: Quantity
    subtotal_set: BothMoney
    total_tax_set: BothMoney


class QuotedShipping(Answer):
    """What delivery is worth, all charges together."""

    amount_set: BothMoney
    tax_set: BothMoney


class QuotedDuty(Answer):
    """What goes back of a duty."""

    amount_set: BothMoney
    original_duty: Identified | None = None


class SuggestedRefund(Answer):
    """What the shop's arithmetic says."""

    refund_duties: tuple[QuotedDuty, ...]

    total_tax_set: ShopMoney
    refund_line_items: tuple[QuotedLine, ...]
    shipping: QuotedShipping


class Quotation(Answer):
    """What an order's units and delivery are worth."""

    suggested_refund: SuggestedRefund

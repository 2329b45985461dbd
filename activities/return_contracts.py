"""Inputs and outputs of the activities of a return: one model each, all serialisable, none with a secret in it."""

from pydantic import Field

from domain.erp_order import ErpReturn
from domain.model import Amount, Currency, Frozen, Quantity
from domain.order import Order, OrderKey
from domain.returns import RefundPart

RETURN_PROBLEM = "return"
"""Begins the step under which a return waits in a case: what its order achieves meanwhile does not release it."""


class ReturnAct(Frozen):
    """What every act of a return has to know. Both systems know it by ``return_id``, people by ``number``."""

    key: OrderKey
    return_id: str
    number: str
    revision: int
    in_storefront: bool = False
    """The storefront keeps this return as one of its own."""
    was_stopped: bool = False
    """The order's row tells of a problem of this return, which is over once the act is done."""

    @property
    def step(self) -> str:
        """The step under which it stands in cases and in the audit."""
        return f"{RETURN_PROBLEM} {self.number}"[:60]


class AuthorizeReturn(ReturnAct):
    """Agree to the return in the storefront, and let the warehouse expect its goods (line -> units)."""

    mapping_version: str
    """Empty: the one in force."""
    lines: dict[str, Quantity]
    reason: str = ""


class CreditReturn(ReturnAct):
    """Settle what came back in the ERP: units by line."""

    mapping_version: str
    restocked: dict[str, Quantity] = Field(default_factory=dict)
    scrapped: dict[str, Quantity] = Field(default_factory=dict)
    judged: dict[str, Quantity] | None = None
    """All units that somebody looked at, rejected ones too; None where no goods are waited for."""
    again: bool = False
    """The ERP has credited it, and its refund stopped: the money alone is worked out anew."""

    @property
    def credited(self) -> dict[str, int]:
        """Line -> units whose worth is given back."""
        lines = self.restocked.keys() | self.scrapped.keys()
        return {line: self.restocked.get(line, 0) + self.scrapped.get(line, 0) for line in sorted(lines)}


class ReturnCredited(Frozen):
    """The return as the ERP has it now, and the money that is to be given back for it."""

    returned: ErpReturn
    currency: Currency
    shipping: Amount
    """Of the delivery charges, as ``RefundRequest.shipping``."""
    location: str | None
    """The storefront's location that restocked units are at."""
    money: tuple[RefundPart, ...]
    fee: Amount
    """As the buyer pays it, in ``Order.presentment_currency``."""
    units_restocked: dict[str, Quantity] | None = None
    """Line -> units that the storefront has back and may sell: of kits in parts it knows whole ones only."""
    units_scrapped: dict[str, Quantity] | None = None
    """Line -> the other units that count as returned there."""
    is_back: bool = False
    """The storefront counts its units as returned already: a refund of it is looked for, and none is made."""


class RefundReturn(ReturnAct):
    """Give units and money back in the storefront."""

    restocked: dict[str, Quantity] = Field(default_factory=dict)
    scrapped: dict[str, Quantity] = Field(default_factory=dict)
    shipping: Amount
    location: str | None
    money: tuple[RefundPart, ...]
    rest_is_over: bool
    """Some of its units are not given back; the storefront's return ends all the same."""
    is_back: bool = False
    """See ``ReturnCredited.is_back``."""


class ReturnRefunded(Frozen):
    """What went back to the buyer."""

    refund_id: str
    amount: Amount
    """In ``currency``: the buyer's."""
    currency: Currency


class EndReturn(ReturnAct):
    """Nothing came of it: give it up in both systems."""

    reason: str
    in_erp: bool = True
    """False where the ERP has settled it already."""
    by_hand: bool = False
    """It is credited in the ERP, and people gave its money back themselves."""


class OpenExchange(Frozen):
    """Note in the storefront an exchange that an operator wants."""

    key: OrderKey
    revision: int
    exchange_key: str
    """Of the wish, so that it is noted once."""
    lines: dict[str, Quantity]
    """Line -> units that come back."""
    instead: dict[str, Quantity]
    """SKU -> units that the buyer gets."""
    actor: str
    reason: str = ""


class ReleaseExchange(ReturnAct):
    """Put on the storefront's order what the buyer gets."""


class EnterExchange(Frozen):
    """Enter in the ERP what the buyer gets for a return; ``order`` is the storefront's, with it."""

    order: Order
    return_id: str
    mapping_version: str
    revision: int


class ReportReturn(ReturnAct):
    """The return itself found why it cannot go on: put it into its case."""

    cause: str
    reason: str


class ClearReturn(ReturnAct):
    """The problem that stopped the return is over, and it only waits now: release its order from that case."""

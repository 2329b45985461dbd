"""All that the workflow of an order remembers, carried whole through continue-as-new, and what it starts with."""

from datetime import date
from decimal import Decimal

from pydantic import Field

from domain.amendment import EditParts
from domain.approval import Approval, ApprovalNeeded
from domain.backorder_rules import BackorderRules
from domain.differences import Acceptance
from domain.erp_order import ErpOrder, ErpOrderState
from domain.model import Amount, Frozen, Instant
from domain.order import Order, OrderKey
from domain.payment_outlook import ExpiringAuthorization, PaymentOutlook
from domain.preorders import Release
from domain.quantities import LineState
from domain.refunds import fees_presentment, given_back_earlier
from domain.return_rules import ReturnRules
from workflows.messages import (
    Attention,
    CancelRequest,
    Problem,
    Remembered,
    RestCancel,
    ReturnAsked,
    ReturnBrief,
    ReturnTelling,
    ReturnWish,
    TimelineEntry,
    UnitCancel,
)


class OrderState(Remembered):
    """All that an order remembers. Quantities are the state."""

    order: Order | None = None
    mapping_version: str = ""
    lines: tuple[LineState, ...] = ()
    erp: ErpOrder | None = None
    hand_over: bool = False
    """Everything left before the ERP knew of it, which is still to be written down there."""
    amend: bool = False
    """What the storefront holds now is still to be carried into the ERP."""
    amend_at_once: bool = False
    """An operator's own cancel is to be carried over, which the storefront has: no hold keeps it from the ERP."""
    exchange_apart: bool = False
    """While an edit of an exchange is to be paid, what was sold goes its own way: it is edited, and canceled."""
    given: Order | None = None
    """The order as the ERP was given it last, while ``order`` is an edited one."""
    edited: EditParts | None = None
    """Which of the ERP's records are to be amended; None: what was sold, as a whole."""
    kept: dict[str, int] = Field(default_factory=dict)
    """Line -> units that the ERP holds because it refused another number."""
    erp_early: ErpOrder | None = None
    """What the change feed told while the submission was still under way."""
    reread: bool = True
    """The storefront is to be read (again) before anything else."""
    compare: bool = False
    """With that, the order is to be compared with what the ERP holds."""
    ask_erp: bool = False
    """With that, the ERP is to be asked what it holds."""
    reading: bool = False
    """The storefront is being read: the order may be another one in a moment."""
    read_at: Instant | None = None
    fulfillments: dict[str, str] = Field(default_factory=dict)
    """ERP shipment id -> storefront fulfillment id, for shipments the storefront knows."""
    payment: PaymentOutlook = PaymentOutlook()
    """What the payments ask for next, as they were read last."""
    given_for_units: Amount = Decimal(0)
    """What went back with units that were canceled, or refunded by hand, in the buyer's currency."""
    told_when_read: Amount = Decimal(0)
    """What returns had told by the last reading that they gave back."""
    capture_all: bool = False
    """All that is promised is to be taken now: it expires before its goods leave."""
    expiry_read: Instant | None = None
    """The expiry before which the order was read once more."""
    expiry_heeded: Instant | None = None
    """Up to which expiry something was done, or a person said to go on with it."""
    release: Release | None = None
    """What it waits for before it goes to the ERP, as it was read last; None where nothing is waited for."""
    released: dict[str, date] = Field(default_factory=dict)
    """Line -> the day that its release moved to after the ERP had the order."""
    merged_into: str = ""
    """The customer that the storefront shows in place of the one whose party the ERP has."""
    approval: ApprovalNeeded | None = None
    """Why somebody has to approve it before it goes to the ERP, as it was read last."""
    approved: Approval | None = None
    """The last approval that somebody gave."""
    reminded_at: Instant | None = None
    """When a person was reminded last of the approval that is waited for."""
    decision: TimelineEntry | None = None
    """A person's, to be written down once the order leaves its case by it."""
    held_by: str | None = None
    problem: Problem | None = None
    cancel: CancelRequest | None = None
    cancel_refused: str | None = None
    cancel_interrupted: CancelRequest | None = None
    """A cancel that one system took and the other refused; goes on with ``resubmit``."""
    unit_cancel: UnitCancel | None = None
    backorder_rules: BackorderRules = BackorderRules()
    """What the pinned mapping says about units that are not in stock."""
    short: dict[str, int] = Field(default_factory=dict)
    """Line -> units that are on backorder, as the ERP told last."""
    short_since: Instant | None = None
    """Since when something is."""
    short_settled: dict[str, int] = Field(default_factory=dict)
    """Line -> units on backorder that a person has decided about."""
    rest_cancel: RestCancel | None = None
    ship_what_is_there: bool = False
    """A person said that the order need not leave complete."""
    send_what_is_there: bool = False
    """The ERP is still to be told so."""
    places: dict[str, dict[str, int]] = Field(default_factory=dict)
    """Line -> warehouse -> units that the ERP has in hand, while the rest of it is being canceled."""
    acceptances: tuple[Acceptance, ...] = ()
    take_new_mapping: bool = False
    """The next reading pins the mapping in force: the one that the order had lacked something."""
    leaves_cases: bool = False
    """A problem that the workflow itself had found is to leave its case once the order is read without it."""
    in_cases: bool = False
    """It had stopped, and no step has worked since: where none is left to do, it leaves its cases all the same."""
    return_rules: ReturnRules = ReturnRules()
    returns: dict[str, ReturnBrief] = Field(default_factory=dict)
    """By return id."""
    return_asks: tuple[ReturnAsked, ...] = ()
    """Returns that operators want and that are to be looked at."""
    return_wishes: tuple[ReturnWish, ...] = ()
    """Returns that are to be begun."""
    return_tellings: tuple[ReturnTelling, ...] = ()
    window_until: Instant | None = None
    """Balanced, and open for returns until then."""
    window_over: bool = False
    read_to_close: bool = False
    """The storefront was edited while the order was to be proven balanced, and is read before that is tried again."""
    unproven: bool = True
    """Something happened since it was proven balanced last."""
    outcome: Attention | None = None
    """Set once: closed, canceled or ignored."""
    closed_differing: bool = False
    """Closed though the systems differ, as a person accepted."""
    closed_on_terms: bool = False
    """Closed though something is to be paid yet, on the company's terms."""

    @property
    def given_back(self) -> Decimal:
        """What went back for units that are off the order, with what was kept as fees, in the buyer's currency.

        By returns, those of an earlier life too, and with units that were canceled.
        """
        known = self.given_for_units + self.told_given_back
        if self.order is None or self.erp is None:
            return known
        return known + given_back_earlier(self.order, self.erp, self.returns)

    @property
    def told_given_back(self) -> Decimal:
        """What this life's returns have told that they gave back, fees included, in the buyer's currency."""
        return sum((brief.given_back for brief in self.returns.values()), Decimal(0))

    @property
    def fees(self) -> Decimal:
        """What returns held back, in the buyer's currency. The ERP may tell of it later than the return itself."""
        told = sum((brief.fee for brief in self.returns.values()), Decimal(0))
        booked = sum((each.fee for each in self.erp.returns), Decimal(0)) if self.erp else Decimal(0)
        return max(told, fees_presentment(self.order, booked)) if self.order else told

    @property
    def exchanges(self) -> frozenset[str]:
        """Returns whose new lines the ERP has."""
        return frozenset(each.return_id for each in self.erp.exchanges) if self.erp else frozenset()

    @property
    def erp_is_over(self) -> bool:
        """Whether the ERP has nothing more to do for the order."""
        return self.erp is not None and self.erp.state in {ErpOrderState.DONE, ErpOrderState.CANCELED}

    @property
    def expires_next(self) -> ExpiringAuthorization | None:
        """The authorization that expires first of those that nothing was done about."""
        heeded = self.expiry_heeded
        return next((e for e in self.payment.expiring if heeded is None or e.expires_at > heeded), None)


class OrderStart(Frozen):
    """Input of ``OrderWorkflow``; ``state`` is set by continue-as-new only."""

    key: OrderKey
    state: OrderState | None = None

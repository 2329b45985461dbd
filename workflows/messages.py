"""Every payload that goes into or comes out of the workflow of an order, and its own serialisable state."""

from datetime import date
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator

from domain.amendment import EditParts
from domain.approval import Approval, ApprovalNeeded
from domain.backorder_rules import BackorderRules
from domain.differences import Acceptance, Difference
from domain.erp_order import ErpOrder, ErpOrderState, ErpReturn
from domain.model import Amount, Frozen, Instant, Quantity
from domain.order import CancelKind, Order, OrderKey, ReturnStatus
from domain.payment_outlook import ExpiringAuthorization, PaymentOutlook
from domain.preorders import Release
from domain.quantities import LineState
from domain.refunds import fees_presentment, given_back_earlier
from domain.return_rules import ReturnRules
from domain.status import OrderStatus

ORDERS_QUEUE = "orders"
"""Task queue of all workflows."""

ORDER_WORKFLOW = "OrderWorkflow"

STOREFRONT_CHANGED = "storefront_changed"
RETURN_ASKED = "return"
"""Signal and update to an order: begin a return; its payload is ``ReturnAsked``."""

ORDERS_CREATED = "orders/create"

ORDERS_PAID = "orders/paid"
"""Topic that says that the buyer has paid. It comes after our own last capture too, and is then news to nobody."""

ORDERS_CANCELED = "orders/cancelled"
"""Topic that comes after our own cancel too."""

REFUNDED = "refunds/create"
"""Topic that comes after our own cancel of what was paid, too."""

RETURN_OVER = frozenset({"returns/close", "returns/cancel", "returns/decline"})
"""Topics that say that nothing more comes of a return."""

RISK_ASSESSED = "orders/risk_assessment_changed"
"""Topic that says that the storefront rates an order's risk otherwise: news only where that is waited for."""


class Attention(StrEnum):
    """Value of the search attribute ``OrderState``: what an operations person filters by."""

    WORKING = "working"
    NEEDS_ATTENTION = "needs attention"
    ON_HOLD = "on hold"
    AWAITING_PAYMENT = "awaiting payment"
    AWAITING_RELEASE = "awaiting release"
    """Sold ahead: its goods may not leave yet."""
    DELIVERED = "delivered"
    """It was balanced when all of it had left, and is open for returns; one may be under way."""
    CLOSED = "closed"
    CANCELED = "canceled"
    IGNORED = "ignored"


class StorefrontChanged(Frozen):
    """A webhook's hint that the storefront changed an order; the truth is read afterwards."""

    message_id: str
    topic: str
    occurred_at: Instant | None = None


class OperatorMessage(Frozen):
    """Body of ``resubmit``, ``accept``, ``approve``, ``hold`` and ``release``; every field may be left out.

    Only ``accept`` and ``approve`` need a name and a reason. ``message_id`` makes a repeated click harmless.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    message_id: str = ""
    actor: str = "operator"
    reason: str = ""
    cause: str = ""
    """Where it is given, the message is for an order that still waits for this cause, and else for none."""


class TimelineEntry(Frozen):
    """One sentence of the order's story."""

    at: Instant
    actor: str
    text: str


class Problem(Frozen):
    """What a human has to mend; ``step`` is what goes on after ``resubmit``."""

    cause: str
    reason: str
    remedy: str
    since: Instant
    differences: tuple[Difference, ...] = ()
    """What ``accept`` takes as it is; none where nothing can be accepted."""
    may_stay: bool = False
    """It may be accepted although no difference is named."""
    own: bool = False
    """The workflow itself found it; else an activity refused, and has put it into its case already."""
    in_case: bool = True


class CancelAsked(OperatorMessage):
    """Body of ``cancel``: units by line id or SKU; without any, all that has not left."""

    kind: CancelKind = CancelKind.OTHER
    """Such as ``fraud``; a word that is none of them is ``other``."""
    lines: dict[str, Quantity] = Field(default_factory=dict)

    @field_validator("kind", mode="before")
    @classmethod
    def _known_kind(cls, kind: object) -> object:
        # Typed by hand in the Temporal UI: a word nobody knows must not keep the order from being canceled.
        return kind if kind in list(CancelKind) else CancelKind.OTHER


class CancelRequest(Frozen):
    """Somebody wants the whole order canceled."""

    actor: str
    reason: str
    kind: CancelKind = CancelKind.OTHER


class CancelStage(StrEnum):
    """How far a cancel of units is."""

    WANTED = "wanted"
    TRIED = "tried"
    """What could be canceled at once is, in the storefront."""
    WAITS = "waits"
    """For the warehouse, or for a person who mends what refused it."""


class UnitCancel(Frozen):
    """Units are to be canceled; what the warehouse has in hand, once it puts that back."""

    actor: str
    reason: str
    kind: CancelKind = CancelKind.OTHER
    down_to: dict[str, Quantity]
    """Line -> units that are to be left of it."""
    stage: CancelStage = CancelStage.WANTED

    def at(self, stage: CancelStage) -> "UnitCancel":
        """The same, so far."""
        return self.model_copy(update={"stage": stage})


class ReturnOrigin(StrEnum):
    """Who wants a return."""

    BUYER = "the buyer"
    """It stands in the storefront."""
    OPERATOR = "an operator"
    WAREHOUSE = "the warehouse"
    """Goods came that nobody had announced."""


class ReturnWish(Frozen):
    """What is to come back: units by storefront line."""

    return_id: str
    number: str
    origin: ReturnOrigin
    lines: dict[str, Quantity]
    actor: str
    reason: str = ""
    requested: bool = False
    """The buyer asks for it and nobody has agreed yet."""
    without_goods: bool = False
    """The buyer keeps the goods, or they are lost: nothing is waited for."""
    exchange: dict[str, Quantity] = Field(default_factory=dict)
    """SKU -> units that the buyer gets for it; with any it is an exchange."""
    released: bool = False
    """What they get was on the order already when it was seen."""

    @property
    def in_storefront(self) -> bool:
        """Whether the storefront keeps it as a return of its own."""
        return self.origin is ReturnOrigin.BUYER or bool(self.exchange)


class ReturnAsked(OperatorMessage):
    """Body of ``return``: units by line id or SKU, and by SKU what the buyer gets for them."""

    lines: dict[str, Quantity]
    without_goods: bool = False
    exchange: dict[str, Quantity] = Field(default_factory=dict)


class ReturnBrief(Frozen):
    """What an order knows of one of its returns, which is carried by a workflow of its own."""

    number: str
    lines: dict[str, Quantity]
    exchange: dict[str, Quantity] = Field(default_factory=dict)
    """SKU -> units that the buyer gets for it."""
    ended: bool = False
    text: str = ""
    """How it ended."""
    given_back: Amount = Decimal(0)
    """Money that went back to the buyer, and the fee, in the buyer's currency."""
    fee: Amount = Decimal(0)
    """Of that, the fee."""
    problem: Problem | None = None
    erp: ErpReturn | None = None
    """As it was told to the return last."""
    status: ReturnStatus | None = None
    """Where it stood in the storefront when it was told last."""


class ReturnTelling(Frozen):
    """What a return is to be told next: one of the three."""

    return_id: str
    erp: ErpReturn | None = None
    status: ReturnStatus | None = None
    resubmit: OperatorMessage | None = None


class RestCancel(Frozen):
    """What is on backorder is to be canceled."""

    actor: str
    reason: str


class Remembered(BaseModel):
    """What an order and a return remember alike; carried whole through continue-as-new."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    key: OrderKey
    revision: int = 0
    seen_messages: tuple[str, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()


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
    given: Order | None = None
    """The order as the ERP was given it last, while ``order`` is an edited one."""
    edited: EditParts | None = None
    """Which of the ERP's records are to be amended; None: what was sold, as a whole."""
    kept: dict[str, int] = {}
    """Line -> units that the ERP holds because it refused another number."""
    erp_early: ErpOrder | None = None
    """What the change feed told while the submission was still under way."""
    reread: bool = True
    """The storefront is to be read (again) before anything else."""
    compare: bool = False
    """With that, the order is to be compared with what the ERP holds."""
    ask_erp: bool = False
    """With that, the ERP is to be asked what it holds."""
    read_at: Instant | None = None
    fulfillments: dict[str, str] = {}
    """ERP shipment id -> storefront fulfillment id, for shipments the storefront knows."""
    payment: PaymentOutlook = PaymentOutlook()
    """What the payments ask for next, as they were read last."""
    capture_all: bool = False
    """All that is promised is to be taken now: it expires before its goods leave."""
    expiry_read: Instant | None = None
    """The expiry before which the order was read once more."""
    expiry_heeded: Instant | None = None
    """Up to which expiry something was done, or a person said to go on with it."""
    release: Release | None = None
    """What it waits for before it goes to the ERP, as it was read last; None where nothing is waited for."""
    released: dict[str, date] = {}
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
    short: dict[str, int] = {}
    """Line -> units that are on backorder, as the ERP told last."""
    short_since: Instant | None = None
    """Since when something is."""
    short_settled: dict[str, int] = {}
    """Line -> units on backorder that a person has decided about."""
    rest_cancel: RestCancel | None = None
    ship_what_is_there: bool = False
    """A person said that the order need not leave complete."""
    send_what_is_there: bool = False
    """The ERP is still to be told so."""
    places: dict[str, dict[str, int]] = {}
    """Line -> warehouse -> units that the ERP has in hand, while the rest of it is being canceled."""
    acceptances: tuple[Acceptance, ...] = ()
    take_new_mapping: bool = False
    """The next reading pins the mapping in force: the one that the order had lacked something."""
    leaves_cases: bool = False
    """A problem that the workflow itself had found is to leave its case once the order is read without it."""
    in_cases: bool = False
    """It had stopped, and no step has worked since: where none is left to do, it leaves its cases all the same."""
    return_rules: ReturnRules = ReturnRules()
    returns: dict[str, ReturnBrief] = {}
    """By return id."""
    return_asks: tuple[ReturnAsked, ...] = ()
    """Returns that operators want and that are to be looked at."""
    return_wishes: tuple[ReturnWish, ...] = ()
    """Returns that are to be begun."""
    return_tellings: tuple[ReturnTelling, ...] = ()
    window_until: Instant | None = None
    """Balanced, and open for returns until then."""
    window_over: bool = False
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
        """What returns gave back, fees included, in the buyer's currency; those of an earlier life, too."""
        told = sum((brief.given_back for brief in self.returns.values()), Decimal(0))
        if self.order is None or self.erp is None:
            return told
        return told + given_back_earlier(self.order, self.erp, self.returns)

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


class OrderView(Frozen):
    """Answer of the query ``status``: the order in plain words."""

    key: OrderKey
    number: str
    erp_number: str | None
    status: OrderStatus
    attention: Attention
    sentence: str
    waiting_for: str
    waits_on: str | None = None
    """The outside system whose answer the order waits for: ``erp`` or its channel."""
    can_do: tuple[str, ...]
    lines: tuple[LineState, ...]
    problem: Problem | None
    mapping_version: str = ""
    """What the order is pinned to; empty before its first reading."""
    acceptances: tuple[Acceptance, ...] = ()
    returns: dict[str, ReturnBrief] = Field(default_factory=dict)
    """By return id; each has a page of its own."""


class OperatorAnswer(Frozen):
    """Answer of the updates: whether it was done, and what was found, in plain words."""

    done: bool
    text: str


class OrderResult(Frozen):
    """How the order ended."""

    outcome: Attention
    text: str

"""Inputs and outputs of the activities: one model each, all serialisable, none with a secret in it."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from activities.failures import Refusal
from domain.amendment import EditParts
from domain.approval import ApprovalNeeded
from domain.backorder_rules import BackorderRules
from domain.balance import BalanceReport
from domain.certificate import SweepWindow, Tally
from domain.completeness import Explanation, Flow
from domain.differences import Acceptance
from domain.erp_order import ErpOrder, ErpShipment
from domain.model import Amount, Frozen, Instant
from domain.order import CancelKind, Order, OrderKey
from domain.payment_outlook import PaymentOutlook
from domain.preorders import Release
from domain.return_rules import ReturnRules
from domain.status import OrderStatus

ERP_CHANGED = "erp_changed"
"""Name of the signal that tells an order what the ERP holds of it now; its payload is an ``ErpOrder``."""

ERP_UNREADABLE = "erp_unreadable"
"""Name of the signal that the ERP's record of an order cannot be read; its payload is an ``UnreadableRecord``."""

ERP_QUEUE = "erp"
"""Task queue of every call to the ERP: its rate limit protects the ERP as a whole."""


def storefront_queue(channel: str) -> str:
    """Task queue of every call to the storefront of a channel: one that is away holds up no other."""
    return f"storefront:{channel}"


LONGEST_ATTEMPT = timedelta(seconds=45)
"""After this an attempt of an order's activity ends itself. Temporal gives it longer (``workflows.order.ONE_CALL``), so
that none is still at work when the next one looks up what it did."""


class MoneySoFar(Frozen):
    """What the order knows of its money that its payments do not say, in ``Order.presentment_currency``."""

    given_back: Amount = Decimal(0)
    """For units that are off the order; see ``domain.capture.plan_captures``."""
    fees: Amount = Decimal(0)
    """What its returns held back."""


class ReadOrder(MoneySoFar):
    """Which order to read, and how often its row in the store was written (``revision`` only grows)."""

    key: OrderKey
    revision: int
    first: bool
    """True for the first read of a run: a finished order that comes again is recognised by the store."""
    submitted: bool = False
    """The ERP has the order: it cannot be ignored any more."""
    compare: bool = False
    """Compare with what the ERP holds: a person said that the cause of a problem is mended."""
    given: str = ""
    """Fingerprint of what the ERP was given: an order edited since is not compared, the edit is carried over."""
    mapping_version: str = ""
    """To compare with; empty for the one in force."""
    acceptances: tuple[Acceptance, ...] = ()
    revive: bool = False
    """Somebody wants a return of it: it goes on though it had ended."""
    ask_erp: bool = False
    """Tell also what the ERP holds: what was heard of that cannot be trusted."""


class OrderRead(Frozen):
    """The order as the storefront tells it and the mapping version it is pinned to.

    ``ignored`` says in plain words why nothing is to be done; None means go on.
    """

    order: Order
    mapping_version: str
    ignored: str | None = None
    ended: OrderStatus | None = None
    """How an earlier run of this order ended; ``ignored`` says so in words, or it comes back to life."""
    payment: PaymentOutlook = PaymentOutlook()
    """What its payments ask for next."""
    approval: ApprovalNeeded | None = None
    """Why a person has to approve it before it goes to the ERP, where one has to."""
    returns: ReturnRules = ReturnRules()
    """How its channel takes goods back."""
    backorders: BackorderRules = BackorderRules()
    """What its mapping says about units that are not in stock."""
    release: Release | None = None
    """When its goods may leave, where they were sold ahead; also where that day is over."""
    erp: ErpOrder | None = None
    """What the ERP holds, where that was asked for."""


class SubmitOrder(Frozen):
    """Enter the order in the ERP with the pinned mapping."""

    order: Order
    mapping_version: str
    revision: int
    acceptances: tuple[Acceptance, ...] = ()
    """Differences that people accepted as they are."""


class DeliverOrder(Frozen):
    """Write down in the ERP that everything of the order was handed over already, as the storefront tells."""

    order: Order
    mapping_version: str
    revision: int


class OrderDelivered(Frozen):
    """The ERP's order, everything of it shipped."""

    erp: ErpOrder
    told: Mapping[str, str]
    """ERP shipment id -> the storefront's fulfillment that tells of it already."""


class AmendOrder(Frozen):
    """Carry what the storefront holds now into the ERP, with the pinned mapping; ``edit`` is the change in words."""

    order: Order
    mapping_version: str
    revision: int
    edit: str
    acceptances: tuple[Acceptance, ...] = ()
    """Differences that people accepted as they are."""
    places: Mapping[str, Mapping[str, int]] = {}
    """Line -> warehouse -> units, for lines that are to stay where the ERP has them in hand."""
    ship_what_is_there: bool = False
    """A person said that the order need not leave complete."""
    parts: EditParts | None = None
    """Which of the ERP's records it concerns; None: what was sold, as a whole."""


class CancelRest(MoneySoFar):
    """Bring lines (line -> units) down to what is there, in the storefront; ``words`` says what is canceled."""

    key: OrderKey
    mapping_version: str
    revision: int
    units: Mapping[str, int]
    total_before: Amount
    """In the buyer's currency."""
    actor: str
    reason: str
    words: str
    refunded_before: Amount | None = None
    """Money given back so far, in the buyer's currency; None from an order that an older version carries."""


class LookInErp(Frozen):
    """Where units of the order are before some are canceled."""

    key: OrderKey
    revision: int


class RestCanceled(Frozen):
    """The order as the storefront holds it now, and what its payments ask for next."""

    order: Order
    payment: PaymentOutlook
    given_back: Amount = Decimal(0)
    """For these units, in the buyer's currency."""


class AmendedOrder(Frozen):
    """The ERP's order after the amendment, and what it could not take over."""

    erp: ErpOrder
    kept: Mapping[str, int] = {}
    """Line -> units that the ERP holds because it refused another number."""
    not_done: str = ""
    """The refused parts in words, each with its reason."""
    refusal: Refusal | None = None
    """Where a person has to decide; noted in its case already."""


class ReportShipment(MoneySoFar):
    """Tell the storefront that a shipment left, and capture the money for it."""

    key: OrderKey
    mapping_version: str
    shipment: ErpShipment
    delivered: dict[str, int]
    """Units shipped so far per storefront line, this shipment included."""
    sent: dict[str, int] = Field(default_factory=dict)
    """SKU -> units in this shipment."""
    known_fulfillment_ids: tuple[str, ...]
    """Fulfillments that belong to other shipments of the order."""
    revision: int
    more_tracking: tuple[str, ...] = ()
    """Of parcels that went ahead with pieces of its kits."""


class ShipmentReported(Frozen):
    """The fulfillment the storefront shows now, and all money captured so far (shop currency)."""

    fulfillment_id: str
    captured: Amount
    payment: PaymentOutlook | None = None


class CapturePayments(MoneySoFar):
    """Take the money that the rules let be taken before anything is delivered; ``everything``: all that is promised."""

    key: OrderKey
    mapping_version: str
    everything: bool
    revision: int


class PaymentsCaptured(Frozen):
    """All money captured so far (shop currency), and what the payments ask for next."""

    captured: Amount
    payment: PaymentOutlook


class CancelOrder(Frozen):
    """Cancel the whole order; ``actor`` and ``reason`` go to the audit and to the systems."""

    key: OrderKey
    actor: str
    reason: str
    kind: CancelKind = CancelKind.OTHER
    revision: int


class ErpCancelResult(Frozen):
    """``canceled`` is also True where the ERP never had the order."""

    canceled: bool
    reason: str = ""
    erp: ErpOrder | None = None
    """What the ERP has where it refused."""


class CloseOrder(Frozen):
    """Prove the order balanced from both systems' own records."""

    key: OrderKey
    mapping_version: str
    revision: int
    acceptances: tuple[Acceptance, ...] = ()
    """Differences that people accepted as they are."""
    given_back: Amount = Decimal(0)
    """As in ``MoneySoFar``."""
    final: bool = True
    """False: it only closes where no return window is open."""
    known: str = ""
    """Fingerprint of the order as its workflow knows it: what was edited since is carried over before it is proven."""


class ReportProblem(Frozen):
    """The workflow itself found why the order cannot go on: put it into its case."""

    key: OrderKey
    revision: int
    cause: str
    reason: str
    waiting_for: str
    reminder: bool = False
    """It is in its case already; a person is to be reminded."""


class LeaveCases(Frozen):
    """What the workflow itself had found is over; ``actor`` and ``text`` say by whose decision, where it was one."""

    key: OrderKey
    revision: int
    waiting_for: str
    actor: str = ""
    text: str = ""


class OrderClosing(Frozen):
    """What both systems say at the end."""

    report: BalanceReport
    erp_number: str
    window_until: Instant | None = None
    """Balanced, and open for returns until then."""
    given_back: Amount = Decimal(0)
    """To the buyer, of an order with exchanges: what was held beyond its worth, in their currency."""
    edited: bool = False
    """Nothing is decided: the storefront holds another order than ``CloseOrder.known``."""


class UnreadableRecord(Frozen):
    """Why the ERP's record of an order cannot be read."""

    reason: str


class FollowChanges(Frozen):
    """Where the ERP's change feed goes on; None starts with every order that is open or changed lately."""

    cursor: str | None = None


class ChangesFollowed(Frozen):
    """Where to go on, and how many orders were told."""

    cursor: str | None
    orders_told: int


class OrderHint(Frozen):
    """Somebody says that the storefront has news of an order: a webhook, or the sweep. The truth is read afterwards."""

    key: OrderKey
    message_id: str
    """The same hint given twice has the same id."""
    topic: str
    label: str | None = None
    """What people call the order, where the hint says it."""
    occurred_at: Instant | None = None


class Carried(Frozen):
    """Whether a workflow carries an order, and, where it waits for a person, what it says of itself."""

    running: bool = False
    stands_still: str = ""
    awaits_payment: bool = False
    """It waits for its buyer to pay."""
    awaits_release: bool = False
    """It waits until its goods may leave."""


class OrderSnapshot(Frozen):
    """Both systems' records of one order, as read just now."""

    order: Order
    erp: ErpOrder | None


class OpenSweep(Frozen):
    """Which channel to sweep, and how far back: ``hours`` before ``now``, or None to go on from the last sweep."""

    channel: str
    now: Instant
    hours: float | None = None


class SweepPhase(StrEnum):
    """What a sweep is at."""

    LISTED = "orders placed or changed in the storefront"
    CHANGED = "what changed in the ERP"
    LEFT = "what earlier sweeps left open"
    DONE = "done"


class SweepProgress(Frozen):
    """How far a sweep is, and all that it found: carried from one activity to the next."""

    channel: str
    window: SweepWindow
    began: Instant
    """Since when Orderwright is in charge of the channel."""
    phase: SweepPhase = SweepPhase.LISTED
    cursor: str | None = None
    orders: Tally = Tally(flow=Flow.ORDERS)
    shipments: Tally = Tally(flow=Flow.SHIPMENTS)
    listed: tuple[str, ...] = ()
    """External ids of the orders placed in the window that are counted."""
    left: tuple[str, ...] = ()
    """External ids that earlier sweeps did not settle and that are still to be looked at."""
    repaired: Mapping[str, tuple[Explanation, ...]] = {}
    """What the last sweep repaired."""


class CompareOrders(Frozen):
    """Go on from there. ``sweep_id`` makes a repair that is asked for twice one."""

    sweep_id: str
    now: Instant
    progress: SweepProgress


class KeepCertificates(Frozen):
    """What the sweep found is to be kept."""

    sweep_id: str
    now: Instant
    progress: SweepProgress


class SweepReport(Frozen):
    """What a sweep found, in words: ``sentences`` one a flow. The whole is kept under ``sweep_id``."""

    sweep_id: str
    channel: str
    window: SweepWindow
    sentences: tuple[str, ...]
    unexplained: int
    repaired: int
    silence: str = ""


class CheckSilence(Frozen):
    """Look at every channel."""

    now: Instant


class SilenceChecked(Frozen):
    """The channels that are silent for longer than their rhythm allows."""

    silent: tuple[str, ...]

"""Every payload that goes into or comes out of the workflow of an order."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from domain.cases import NOBODY
from domain.differences import Acceptance, Difference
from domain.erp_order import ErpReturn
from domain.model import Amount, Frozen, Instant, Quantity
from domain.order import CancelKind, OrderKey, ReturnStatus
from domain.quantities import LineState
from domain.status import OrderStatus

ORDERS_QUEUE = "orders"
"""Task queue of all workflows."""

ORDER_WORKFLOW = "OrderWorkflow"

STOREFRONT_CHANGED = "storefront_changed"
RETURN_ASKED = "return"
"""Signal and update to an order: begin a return; its payload is ``ReturnAsked``."""


LONGEST_REASON = 2000
"""Characters that somebody may say why in: it stands in the story, which is kept whole."""


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

    message_id: Annotated[str, Field(max_length=200)] = ""
    actor: Annotated[str, Field(max_length=200)] = NOBODY
    reason: Annotated[str, Field(max_length=LONGEST_REASON)] = ""
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

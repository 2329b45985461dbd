"""The words that a scenario is written in: who does what, one act after the other, and what must hold at the end.

A scenario is a TOML file of ``catalogue/``; everything here is checked when it is read. Acts come in the order in which
they happen. What customers do before anything else happens before the store's first webhook goes out.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from domain.model import Amount, Frozen
from domain.order import CancelKind
from domain.returns import Disposition
from sandbox.catalog import pieces
from sandbox.store.requests import AskReturn, AssessRisk, CancelOrder, EditOrder, PlaceOrder, PlacePayment


class Edited(Frozen):
    """A customer or the shop's staff edits the order at the store."""

    act: Literal["customer edits"]
    change: EditOrder


class CanceledAtStore(Frozen):
    """A customer or the shop's staff cancels the order at the store."""

    act: Literal["customer cancels"]
    cancel: CancelOrder = CancelOrder()


class Paid(Frozen):
    """A customer pays what an edit made due."""

    act: Literal["customer pays"]
    payment: PlacePayment = PlacePayment()


class Assessed(Frozen):
    """The store comes to another assessment of the order's risk."""

    act: Literal["store assesses the risk"]
    assessment: AssessRisk


class ToldAgain(Frozen):
    """The store sends all webhooks of the order once more, under new delivery ids where ``as_new``."""

    act: Literal["store tells again"]
    as_new: bool = False


class Shipped(Frozen):
    """The warehouse sends off what waits: of each shipment about half where ``part``, at one ``warehouse`` if named."""

    act: Literal["warehouse ships"]
    part: bool = False
    warehouse: str | None = None


class PieceShipped(Frozen):
    """The warehouse sends pieces of a kit ahead; the rest of it waits."""

    act: Literal["warehouse ships a part of a kit"]
    product: str
    pieces: Annotated[int, Field(ge=1)] = 1


class Picked(Frozen):
    """The warehouse takes the first shipment that waits off the shelves and leaves it on the packing table."""

    act: Literal["warehouse picks"]


class PutBack(Frozen):
    """What lies on the packing table goes back to the shelves."""

    act: Literal["warehouse puts back"]


class GivenUp(Frozen):
    """The ERP's people decide that units are not sent: they cancel their shipment. ``handled``: and say so for good."""

    act: Literal["warehouse gives up"]
    units: dict[str, Annotated[int, Field(ge=1)]]
    """By SKU."""
    handled: bool = True


class SentAfterAll(Frozen):
    """What was given up is shipped anew."""

    act: Literal["warehouse sends after all"]


class SentPicked(Frozen):
    """What lies on the packing table leaves."""

    act: Literal["warehouse sends what is picked"]


class ReturnWanted(Frozen):
    """A customer asks the store to send units back."""

    act: Literal["customer asks to return"]
    wish: AskReturn


class ReturnWithdrawn(Frozen):
    """A customer keeps the goods of the last return after all."""

    act: Literal["customer keeps the goods"]


class OperatorReturns(Frozen):
    """An operator begins a return of units by SKU; ``without_goods``: the money goes back at once."""

    act: Literal["operator returns"]
    units: dict[str, Annotated[int, Field(ge=1)]]
    exchange: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """What the buyer gets for them, by SKU."""
    without_goods: bool = False
    actor: str = "Kim"
    reason: str = "as agreed"


class OperatorInspects(Frozen):
    """An operator says what becomes of what came back of the last return, by SKU."""

    act: Literal["operator inspects"]
    verdicts: dict[str, dict[Disposition, Annotated[int, Field(ge=1)]]]
    actor: str = "Kim"
    reason: str = "as it looks"


class TakenBack(Frozen):
    """The warehouse takes in what is expected back of the order, or so many ``units`` by SKU.

    With a ``warehouse`` it takes in units that nobody has announced.
    """

    act: Literal["warehouse receives a return"]
    units: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    warehouse: str | None = None

    @model_validator(mode="after")
    def _says_what_came(self) -> Self:
        if self.warehouse is not None and not self.units:
            msg = "units that nobody has announced must be named; give units, or leave warehouse out"
            raise ValueError(msg)
        return self


class Counted(Frozen):
    """The warehouse counts what is on its shelves: more or fewer units than the books said.

    Nobody else sells the product until the scenario is over.
    """

    act: Literal["warehouse counts"]
    sku: str
    warehouse: str = "WH-EAST"
    units: Annotated[int, Field(ge=0)]


class StoreShows(Frozen):
    """Everybody waits until the store shows so many ``units`` of a SKU at one of its locations."""

    act: Literal["store shows"]
    sku: str
    location: Literal["101", "102"] = "101"
    units: int


class StoreHides(Frozen):
    """For some seconds the store shows ``units`` of a SKU at most: nobody may promise more."""

    act: Literal["store shows no more than"]
    sku: str
    location: Literal["101", "102"] = "101"
    units: int
    seconds: Annotated[float, Field(gt=0)] = 4.0


class ProductHidden(Frozen):
    """The ERP takes a product out of its catalogue. Nobody else sells it meanwhile."""

    act: Literal["ERP hides a product"]
    sku: str


class ProductShown(Frozen):
    """The ERP takes it in again."""

    act: Literal["ERP shows the product again"]
    sku: str


class Operated(Frozen):
    """An operator sends the order a message, and waits for the answer. ``refused``: it must be refused."""

    act: Literal["operator asks"]
    to: Literal["hold", "release", "resubmit", "cancel", "accept", "approve", "cancel_rest"]
    actor: str = "Kim"
    reason: str = "as agreed"
    kind: CancelKind = CancelKind.OTHER
    """Of ``cancel``."""
    units: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Of ``cancel``: SKU -> units; without any, all that has not left."""
    refused: bool = False
    by_signal: bool = False
    """As from the Temporal UI: kept until somebody reads it, answered by the order's story alone."""
    clicks: Annotated[int, Field(ge=1)] = 1
    """So many times the same message."""


class WentDown(Frozen):
    """A system does not answer any more, until it is back."""

    act: Literal["system goes down"]
    system: Literal["erp", "store"]


class CameBack(Frozen):
    """It answers again."""

    act: Literal["system is back"]
    system: Literal["erp", "store"]


class WentWrong(Frozen):
    """The next so many calls of a kind go wrong: done and the answer lost, not done, or told to come again later."""

    act: Literal["calls go wrong"]
    call: Literal["reading", "submission", "delivery", "fulfillment", "capture"]
    how: Literal["answer lost", "unavailable", "too many"]
    times: Annotated[int, Field(ge=1)] = 1


class Waited(Frozen):
    """Everybody waits until the order has come so far, or until its story holds these ``words``."""

    act: Literal["wait"]
    until: Literal["read", "in the ERP", "stopped", "partly shipped", "shipped", "closed", "told"]
    words: str = ""

    @model_validator(mode="after")
    def _words_to_wait_for(self) -> Self:
        if (self.until == "told") != bool(self.words):
            msg = 'words belong to until = "told" and to nothing else; give both or neither'
            raise ValueError(msg)
        return self


class TimePassed(Frozen):
    """Days go by and nothing happens. Only where time can be skipped; elsewhere the next act follows at once."""

    act: Literal["time passes"]
    days: Annotated[int, Field(ge=1)]


Act = Annotated[
    Edited | CanceledAtStore | Paid | Assessed | ToldAgain | ReturnWanted | ReturnWithdrawn
    | OperatorReturns | OperatorInspects
    | Shipped | PieceShipped | Picked | PutBack | GivenUp | SentAfterAll | SentPicked | TakenBack | Counted
    | StoreShows | StoreHides
    | ProductHidden | ProductShown | Operated | WentDown | CameBack | WentWrong | Waited | TimePassed,
    Field(discriminator="act"),
]  # fmt: skip

AT_FIRST: Final = (Edited, CanceledAtStore, Paid, Counted, ProductHidden, WentDown, WentWrong)
"""Acts that happen before the first webhook goes out where nothing else came before."""

TROUBLE: Final = (WentDown, WentWrong)
"""Acts that everybody else would feel too: such a scenario has the systems to itself."""


class End(StrEnum):
    """How an order may end."""

    CLOSED = "closed"
    CANCELED = "canceled"
    IGNORED = "ignored"


class Holds(Frozen):
    """What must hold at the end, in both systems as they are read back; what is None is not looked at.

    Where the order ends ``closed`` the warehouse sends what is still there once the last act is over.
    """

    ends: End
    total: Amount
    """Of the order after edits, in the shop's currency, at the store and in the ERP."""
    captured: Amount
    """Less what was given back, in the shop's currency."""
    shipped: Annotated[int, Field(ge=0)]
    """Units that left, by the store's books."""
    returned: Annotated[int, Field(ge=0)] = 0
    """Units that came back and were refunded."""
    in_erp: bool = True
    parcels: int | None = None
    canceled_as: str | None = None
    """The store's word for why."""
    story: tuple[str, ...] = ()
    """Words that the order's own story must hold."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.ends is not End.CLOSED and (self.captured or self.shipped):
            msg = f"an order that ends {self.ends} ships nothing and keeps no money; set captured and shipped to 0"
            raise ValueError(msg)
        if self.ends is End.IGNORED and self.in_erp:
            msg = "an order that is ignored is not in the ERP; set in_erp = false"
            raise ValueError(msg)
        return self


class Scenario(Frozen):
    """One file: an order, what happens to it, and what must hold."""

    name: str = Field(min_length=1)
    group: Literal[
        "shape",
        "cancel",
        "edit",
        "message",
        "warehouse",
        "stock",
        "shelf",
        "return",
        "operator",
        "road",
        "tax",
        "outage",
    ]
    """``shape``: an order that is shipped and nothing else; the demo carries them all.

    ``shelf``: what the store shows of stock.
    """
    order: PlaceOrder
    happens: tuple[Act, ...] = ()
    holds: Holds

    @model_validator(mode="after")
    def _shapes_are_plain(self) -> Self:
        if self.group == "shape" and len(self.edits) != len(self.happens):
            msg = 'group "shape" is for orders that are at most edited before anything else; choose another group'
            raise ValueError(msg)
        if self.holds.ends is End.IGNORED and self.holds.captured != Decimal(0):
            msg = "captured must be 0 for an order that is ignored"
            raise ValueError(msg)
        return self

    @property
    def edits(self) -> tuple[EditOrder, ...]:
        """Edits before the first webhook goes out."""
        return tuple(act.change for act in self.at_first if isinstance(act, Edited))

    @property
    def at_first(self) -> tuple[Act, ...]:
        """What happens before the first webhook goes out."""
        count = 0
        while count < len(self.happens) and isinstance(self.happens[count], AT_FIRST):
            count += 1
        return self.happens[:count]

    @property
    def alone(self) -> bool:
        """Whether everybody else would feel what happens here."""
        return any(isinstance(act, TROUBLE) for act in self.happens)

    @property
    def sells(self) -> frozenset[str]:
        """Every product that may leave a shelf for it, a kit's components too."""
        skus = {line.sku for line in self.order.lines}
        for act in self.happens:
            match act:
                case Edited():
                    skus |= {line.sku for line in act.change.add}
                case ReturnWanted():
                    skus |= {line.sku for line in act.wish.instead}
                case OperatorReturns():
                    skus |= set(act.exchange)
        return frozenset(skus | set(pieces(dict.fromkeys(skus, 1))))

    @property
    def keeps(self) -> frozenset[str]:
        """Products that it has to itself: it hides them, or says how many there are."""
        skus = {act.sku for act in self.happens if isinstance(act, Counted | ProductHidden)}
        return frozenset(skus | set(pieces(dict.fromkeys(skus, 1))))

    def disturbs(self, other: "Scenario") -> bool:
        """Whether one would feel the other through a product, were they to live side by side."""
        return bool(self.keeps & other.sells or other.keeps & self.sells)

"""Inputs and outputs of the activities that keep stock."""

from enum import StrEnum

from domain.model import Frozen, Instant, Quantity

STOCK_ERP_QUEUE = "stock:erp"
"""Task queue of what asks the ERP for stock: it takes no slot from orders."""


def stock_queue(channel: str) -> str:
    """Task queue of what tells a storefront of stock, and compares it."""
    return f"stock:{channel}"


class WholeReading(Frozen):
    """Once a day all that the ERP has is read anew beside the feed, a page with each poll."""

    token: int
    """Drawn before the first page."""
    cursor: str | None = None
    products: Quantity = 0
    differing: Quantity = 0
    """Products that were otherwise than the feed had told."""


class FollowStock(Frozen):
    """Where the feed of the ERP's stock goes on; None starts with every product."""

    cursor: str | None = None
    whole: WholeReading | None = None


class StockFollowed(Frozen):
    """Where to go on, and how many products had changed."""

    cursor: str | None
    changed: Quantity
    whole: WholeReading | None = None


class TellStock(Frozen):
    """Tell a channel what can be sold; ``part`` counts from 0, where several share the SKUs."""

    channel: str
    part: Quantity = 0


class StockTold(Frozen):
    """How many SKUs were told. ``over``: nobody is to tell this channel, or this part of it, any more."""

    skus: Quantity
    over: bool = False


class ComparePhase(StrEnum):
    """What a comparison is at."""

    LISTED = "what the storefront lists"
    NOT_SEEN = "what it did not list any more"
    DONE = "done"


class StockComparison(Frozen):
    """How far a comparison of a channel is, and what it found; numbers are of one SKU at one location each."""

    channel: str
    began: Instant
    phase: ComparePhase = ComparePhase.LISTED
    cursor: str | None = None
    skus: Quantity = 0
    compared: Quantity = 0
    equal: Quantity = 0
    changed: Quantity = 0
    """Set anew."""
    stale: Quantity = 0
    """Sold or changed while they were compared; the pusher takes them up."""
    refused: Quantity = 0
    held: Quantity = 0
    """Would show more, which waits until all systems were read whole once."""
    hindered: Quantity = 0
    """Cannot be decided; each has its case."""
    unknown_in_erp: Quantity = 0
    """SKUs that the ERP does not have."""
    only_in_erp: Quantity = 0
    """Products that the storefront does not have."""

    @property
    def sentence(self) -> str:
        """All of it in plain words."""
        found = [
            (self.equal, "equal"),
            (self.changed, "set anew"),
            (self.stale, "changed meanwhile and taken up again"),
            (self.refused, "refused"),
            (self.held, "held back until everything was read once"),
            (self.hindered, "not decided"),
        ]
        told = ", ".join(f"{count:,} {words}" for count, words in found if count or words == "equal")
        return (
            f"{self.compared:,} numbers of {self.skus:,} SKUs of {self.channel} compared: {told}; "
            f"{self.unknown_in_erp:,} SKUs that the ERP does not have, "
            f"{self.only_in_erp:,} products of the ERP that the storefront does not have"
        )


class CompareStock(Frozen):
    """Go on from there."""

    progress: StockComparison

"""The workflows that are about no single order: names, ids and inputs. They stand for as long as the house does."""

from activities.stock_contracts import StockComparison, WholeReading
from domain.model import Frozen

ERP_FEED_WORKFLOW = "ErpFeedWorkflow"
ERP_FEED_ID = "erp-feed"
SWEEP_WORKFLOW = "SweepWorkflow"
SILENCE_WORKFLOW = "SilenceWorkflow"
SILENCE_ID = "silence"
"""Of the schedule and of its workflows."""

STOCK_FEED_WORKFLOW = "StockFeedWorkflow"
STOCK_FEED_ID = "stock-feed"
STOCK_PUSHER_WORKFLOW = "StockPusherWorkflow"
STOCK_COMPARISON_WORKFLOW = "StockComparisonWorkflow"


class ErpFeedStart(Frozen):
    """Input of ``ErpFeedWorkflow``."""

    cursor: str | None = None
    orders_told: int = 0


class StockFeedStart(Frozen):
    """Input of ``StockFeedWorkflow``."""

    cursor: str | None = None
    changed: int = 0
    whole: WholeReading | None = None


class StockPusherStart(Frozen):
    """Input of ``StockPusherWorkflow``; ``part`` counts from 0, where several share a channel's SKUs."""

    channel: str
    part: int = 0
    skus: int = 0


class StockComparisonStart(Frozen):
    """Input of ``StockComparisonWorkflow``; ``progress`` is set by continue-as-new only."""

    channel: str
    progress: StockComparison | None = None


class SweepStart(Frozen):
    """Input of ``SweepWorkflow``: how many hours to look back, or None to go on where the last sweep ended."""

    channel: str
    hours: float | None = None


def sweep_id(channel: str) -> str:
    """Id of a channel's sweep: of its schedule, and of a sweep that a person asks for."""
    return f"sweep:{channel}"


def stock_pusher_id(channel: str, part: int) -> str:
    """Id of what tells a channel of stock."""
    return f"stock:{channel}" if part == 0 else f"stock:{channel}:{part}"


def stock_comparison_id(channel: str) -> str:
    """Id of a channel's comparison: of its schedule, and of one that a person asks for."""
    return f"stock-comparison:{channel}"

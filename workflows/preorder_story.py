"""What an order tells of goods that were sold ahead, in plain words. Pure, as ``narrative``."""

from collections.abc import Iterable

from domain.preorders import Release
from domain.quantities import LineState
from workflows.order_state import OrderState


def waits_until(release: Release, before: Release | None, lines: Iterable[LineState]) -> str:
    """Sentence for an order that waits for its release, from now on or for another day than before."""
    what = _days(release, lines)
    if before is not None:
        return f"The release has moved: {what}; the order goes to the ERP at {_moment(release)}."
    return f"Sold ahead: {what}. The order goes to the ERP at {_moment(release)}."


def too_late(release: Release, lines: Iterable[LineState]) -> str:
    """Sentence for a release that has moved after the order was entered."""
    return (
        f"The release has moved: {_days(release, lines)}. The ERP has the order already; "
        "let the warehouse wait there, or cancel the order."
    )


def waits(state: OrderState) -> str:
    """What an order that was sold ahead waits for; empty for any other."""
    if state.erp is not None or state.release is None:
        return ""
    return f"the release: {_days(state.release, state.lines)}; it then goes on by itself"


def _days(release: Release, lines: Iterable[LineState]) -> str:
    names = {line.line_id: line.sku or line.title for line in lines}
    return " and ".join(f"{names.get(line, line)} is released on {day}" for line, day in release.days.items())


def _moment(release: Release) -> str:
    return f"{release.at:%Y-%m-%d %H:%M} UTC"

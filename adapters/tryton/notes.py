"""What we note on sale lines, for people and to know the lines by. Pure."""

import re
from decimal import Decimal
from typing import Final

from domain.erp_order import SalesLine, TaxAdjustmentCause

_LINE_NOTE: Final = re.compile(
    r"^Store line: (?P<line>.+?)(?:\nShips from: (?P<warehouse>.+))?$", re.MULTILINE
)
_ROUNDING_NOTE: Final = "Tax rounding: "
_DIFFERENCE_NOTE: Final = "Tax difference within the tolerance: "
_NOTES: Final = {
    TaxAdjustmentCause.ROUNDING: _ROUNDING_NOTE,
    TaxAdjustmentCause.TOLERANCE: _DIFFERENCE_NOTE,
}


def line_note(line: SalesLine) -> str:
    """What a sale line says of its origin, for people and for ``read_note``."""
    return f"Store line: {line.line_id}" + (f"\nShips from: {line.warehouse}" if line.warehouse else "")


def read_note(note: str | None) -> tuple[str, str | None] | None:
    """Storefront line and warehouse of a sale line; None where the note is not ours."""
    found = _LINE_NOTE.search(note or "")
    return (found["line"], found["warehouse"]) if found else None


def is_rounding(note: str | None) -> bool:
    """Whether a sale line only brings a tax to the cent."""
    return adjustment_cause(note) is not None


def adjustment_cause(note: str | None) -> TaxAdjustmentCause | None:
    """Why a sale line brings a tax to the cent; None where it does not."""
    return next((cause for cause, text in _NOTES.items() if (note or "").startswith(text)), None)


def rounding_note(cause: TaxAdjustmentCause, code: str, amount: Decimal | None = None) -> str:
    """What a line says that brings a tax to the cent: why, of which tax and by how much; a spare one leaves it out."""
    return f"{_NOTES[cause]}{code}" + (f" {amount:+}" if amount else "")

"""Orders that are gifts: what the warehouse has to know of them, by the table ``[gifts]`` of a mapping file."""

from domain.model import Frozen
from domain.order import Order


class GiftRules(Frozen):
    """How a channel's buyers say that an order is a gift; without ``message`` and ``flag`` none is."""

    message: str | None = None
    """The order's attribute that holds the words for the card; an order that has some is a gift."""
    flag: str | None = None
    """The attribute that marks a gift without words; anything but empty, no, false and 0 does."""
    hide_prices: bool = True
    """No prices on the papers that go into the parcel."""


_NO = frozenset({"", "no", "false", "0"})


def gift_facts(order: Order, rules: GiftRules) -> tuple[str, ...]:
    """What people at the ERP must know of a gift, one fact a line; none where the order is no gift."""
    message = _attribute(order, rules.message)
    if not message and _attribute(order, rules.flag).lower() in _NO:
        return ()
    hidden = ("No prices on the papers in the parcel",) if rules.hide_prices else ()
    return ("This order is a gift", *hidden, *_card(message))


def _card(message: str) -> tuple[str, ...]:
    """The buyer's words in one line, so that their line breaks do not look like facts of ours."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return (f"Gift message: {' / '.join(lines)}",) if lines else ()


def _attribute(order: Order, name: str | None) -> str:
    return order.attributes.get(name, "").strip() if name else ""

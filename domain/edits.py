"""What changed between two readings of a storefront order, as far as the ERP must know it."""

from domain.money import format_money
from domain.order import Order


def describe_edit(before: Order, after: Order) -> str | None:
    """The changes in plain words; None where nothing that the ERP holds has changed.

    Shipments and payments change as the order goes on and are no edits.
    """
    changes: list[str] = []
    old = {line.line_id: line for line in before.lines}
    for line in after.lines:
        was = old.pop(line.line_id, None)
        name = line.sku or line.title
        if was is None:
            changes.append(f"{line.current} x {name} added")
        elif was.current != line.current:
            changes.append(f"{name} from {was.current} to {line.current}")
    changes.extend(f"{line.sku or line.title} removed" for line in old.values() if line.current)
    if before.total != after.total:
        was_total, is_total = (format_money(o.total, o.currency) for o in (before, after))
        changes.append(f"total from {was_total} to {is_total}")
    if before.shipping_address != after.shipping_address:
        changes.append("another shipping address")
    if [s.code for s in before.shipping] != [s.code for s in after.shipping]:
        changes.append("another shipping service")
    return ", ".join(changes) or None

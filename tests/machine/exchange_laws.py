"""What must hold of what buyers get for goods that come back, after every step: each exchange once, in both systems."""

from collections import Counter

from domain.order import OrderKey
from tests.machine.world import World


def check_exchanges(world: World, key: OrderKey) -> None:
    order, erp = world.storefront.orders[key.external_id], world.erp.orders.get(key)
    ordered = {line.line_id: line.ordered for line in order.lines}
    released: dict[str, Counter[str]] = {}
    for each in order.returns:
        units = released.setdefault(each.return_id, Counter())
        for part in each.exchange:
            new = Counter({line: ordered[line] for line in part.line_ids})
            assert new.total() == part.processed <= part.quantity, f"{each.number}: {new} for {part}"
            units.update(new)
    entered = [each.return_id for each in erp.exchanges] if erp else []
    assert len(entered) == len(set(entered)), f"entered twice: {entered}"
    told = {line for units in released.values() for line in units}
    # A line that an edit added after an exchange goes with one, and no return of the storefront's names it.
    added = Counter({line: units for line, units in ordered.items() if line not in told})
    for held in erp.exchanges if erp else ():
        units = Counter()
        for line in erp.lines if erp else ():
            if line.line_id in held.lines:
                units[line.line_id] += line.quantity
        most = released[held.return_id] + added
        assert units <= most, f"{held.number}: {units} entered of {most}"

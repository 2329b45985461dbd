"""What an edit comes to: the difference between the order that the ERP was given and what the storefront holds now.

Told in the storefront's words, so that a workflow can decide and tell without the mapping; the ERP's adapter works out
what its own records have to become. Shipments and payments change as an order goes on and are no edits.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from decimal import Decimal
from hashlib import sha256

from domain.erp_order import ErpOrder
from domain.exchanges import as_sold, exchange_worth, exchanged_lines, only_exchange
from domain.model import Amount, Frozen, Quantity
from domain.money import format_money
from domain.order import Address, Discount, ExtraCharge, Order, ShippingCharge, TaxLine
from domain.quantities import held_units, units_returned
from domain.status import count_units

LineId = str


class LineContent(Frozen):
    """What the ERP has to know of a line."""

    name: str
    quantity: Quantity
    unit_price: Amount
    discounts: tuple[Discount, ...] = ()
    taxes: tuple[TaxLine, ...] = ()
    duties: tuple[ExtraCharge, ...] = ()


class OrderTerms(Frozen):
    """What the ERP has to know of the order beside its lines."""

    shipping_address: Address | None
    billing_address: Address | None
    shipping: tuple[ShippingCharge, ...]
    fees: tuple[ExtraCharge, ...] = ()
    note: str
    total: Amount
    total_tax: Amount


_DIRECTIONS = frozenset({"shipping_address", "billing_address", "note"})
_TERMS = frozenset(OrderTerms.model_fields) - {"total", "total_tax"}
"""All but what follows from the lines."""


class Content(Frozen):
    """All of an order that the ERP has to know; lines without units are left out."""

    lines: dict[LineId, LineContent]
    terms: OrderTerms


class LineChange(Frozen):
    """A line before and after; None where there is none."""

    line_id: LineId
    before: LineContent | None
    after: LineContent | None


class Amendment(Frozen):
    """The changes that lead from one content to another."""

    lines: tuple[LineChange, ...] = ()
    terms: tuple[OrderTerms, OrderTerms] | None = None
    """Before and after, where they differ."""

    @property
    def empty(self) -> bool:
        """Nothing is to be amended."""
        return not self.lines and self.terms is None

    def sentence(self, currency: str) -> str:
        """``TEE-BLK-M: 3 -> 2 units; MUG-LOGO added, 1 unit``; empty where nothing changed."""
        told = [words for change in self.lines for words in _line_words(change, currency)]
        return "; ".join([*told, *(_terms_words(*self.terms, currency) if self.terms else ())])


class EditParts(Frozen):
    """Which of the ERP's records of an order an edit concerns: what was sold, or what came in exchange beside it."""

    sold: bool = False
    lines: tuple[LineId, ...] = ()
    """Edited ones of what was sold."""
    terms: bool = False
    """Delivery or a fee of what was sold differs as well."""
    directions: bool = False
    """So does an address or the note: where its goods are to go, and in what way."""
    exchanges: tuple[str, ...] = ()
    """By their returns."""
    dearer: bool = False
    """One of the exchanges comes to more than before: it is to be paid first."""

    def of_what_was_sold(self) -> "EditParts":
        """Without exchanges."""
        return self.model_copy(update={"exchanges": (), "dearer": False})

    def joined(self, later: "EditParts") -> "EditParts":
        """All that either concerns; what is to be paid is as the later one has it."""
        return EditParts(
            sold=self.sold or later.sold,
            lines=tuple(dict.fromkeys((*self.lines, *later.lines))),
            terms=self.terms or later.terms,
            directions=self.directions or later.directions,
            exchanges=tuple(dict.fromkeys((*self.exchanges, *later.exchanges))),
            dearer=later.dearer,
        )


def content(
    order: Order, left: Mapping[LineId, int] | None = None, exchanges: Collection[str] = ()
) -> Content:
    """What the ERP has to know of an order; no line below the units that ``left`` says are gone and not back.

    What came onto it in exchange is no part of it but for the returns ``exchanges``: the ERP has that beside it.
    """
    order = as_sold(order, exchanges)
    gone, back = left or {}, units_returned(order)
    # What came back is off the page: counted as gone, it would hide that others were taken off as well.
    units = {
        line.line_id: max(line.current, gone.get(line.line_id, 0) - back.get(line.line_id, 0))
        for line in order.lines
    }
    return Content(
        lines={
            line.line_id: LineContent(
                name=line.sku or line.title,
                quantity=units[line.line_id],
                unit_price=line.unit_price,
                discounts=line.discounts,
                taxes=line.taxes,
                duties=line.duties,
            )
            for line in order.lines
            if units[line.line_id]
        },
        terms=OrderTerms(
            shipping_address=order.shipping_address,
            billing_address=order.billing_address,
            shipping=order.shipping,
            fees=order.fees,
            note=order.note,
            total=order.total,
            total_tax=order.total_tax,
        ),
    )


def diff(before: Content, after: Content) -> Amendment:
    """The changes that lead from ``before`` to ``after``."""
    ids = dict.fromkeys((*before.lines, *after.lines))
    return Amendment(
        lines=tuple(
            LineChange(line_id=line, before=before.lines.get(line), after=after.lines.get(line))
            for line in ids
            if before.lines.get(line) != after.lines.get(line)
        ),
        terms=(before.terms, after.terms) if before.terms != after.terms else None,
    )


def amendment_between(
    given: Order, now: Order, left: Mapping[LineId, int], exchanges: Collection[str] = ()
) -> Amendment:
    """What has to be amended where the ERP was given one order and the storefront holds another now.

    Goods that came back are no edit: the ERP holds them as they were sold, and credits them apart. ``exchanges``: the
    returns whose new lines the ERP has; others are entered as they stand then.
    """
    before, after = _beside_returns(given, now, exchanges)
    return diff(content(before, left, exchanges), content(after, left, exchanges))


def edit_parts(given: Order, now: Order, left: Mapping[LineId, int], exchanges: Collection[str]) -> EditParts:
    """Which records have to be amended; one of which nothing is left to send takes no address and no note."""
    sold = amendment_between(given, now, left)
    concerned = bool(sold.lines) or (_terms_differ(sold) and _is_open(as_sold(now), left))
    parts = {each: (only_exchange(given, each), only_exchange(now, each)) for each in exchanges}
    edited = []
    for return_id, (before, after) in parts.items():
        amendment = amendment_between(before, after, left, exchanges)
        if amendment.lines or (_terms_differ(amendment) and _is_open(after, left)):
            edited.append(return_id)
    return EditParts(
        sold=concerned or not (sold.empty or units_returned(as_sold(now))),
        lines=tuple(change.line_id for change in sold.lines),
        terms=concerned and _terms_differ(sold, but=_DIRECTIONS),
        directions=concerned and _terms_differ(sold, but=_TERMS - _DIRECTIONS),
        exchanges=tuple(edited),
        dearer=any(parts[each][1].total > parts[each][0].total for each in edited),
    )


def _terms_differ(amendment: Amendment, but: Collection[str] = ()) -> bool:
    """Whether anything does but the totals, and what is named."""
    if amendment.terms is None:
        return False
    before, after = amendment.terms
    return any(getattr(before, name) != getattr(after, name) for name in _TERMS.difference(but))


def _is_open(order: Order, left: Mapping[LineId, int]) -> bool:
    """Whether any of its goods are still to leave."""
    back = units_returned(order)
    return any(
        line.current + back.get(line.line_id, 0) > left.get(line.line_id, 0)
        for line in order.lines
        if line.requires_shipping
    )


def _beside_returns(given: Order, now: Order, exchanges: Collection[str]) -> tuple[Order, Order]:
    """Both orders, as they were sold, without what came back between them.

    A line that nobody edited is as it was given; one that was has been given without the units that came back.
    """
    # What was got in exchange and comes back takes the delivery of what was sold with it, where it is the last.
    before, after = units_returned(given), units_returned(now)
    given, now = as_sold(given, exchanges), as_sold(now, exchanges)
    if before == after:
        return given, now
    lines = {line.line_id: line for line in now.lines}
    was = list(given.lines)
    for index, line in enumerate(given.lines):
        back = after.get(line.line_id, 0) - before.get(line.line_id, 0)
        if back and (same := lines.get(line.line_id)) is not None:
            if same.current + back == line.current:
                lines[line.line_id] = line
            else:
                was[index] = line.model_copy(update={"current": max(0, line.current - back)})
    edited = tuple(lines.values())
    terms = {
        "total": given.total,
        "total_tax": given.total_tax,
        "shipping": given.shipping,
        "fees": given.fees,
    }
    update = {"lines": edited, **(terms if edited == given.lines else {})}
    return given.model_copy(update={"lines": tuple(was)}), now.model_copy(update=update)


def fingerprint(order: Order) -> str:
    """Equal for orders between which nothing is to be amended."""
    whole = content(order, exchanges=frozenset(exchanged_lines(order).values()))
    return sha256(whole.model_dump_json().encode()).hexdigest()[:16]


def holds_otherwise(order: Order, erp: ErpOrder) -> bool:
    """Whether the ERP's record is of another version of the order: other units of a line, or another total.

    What came back is in the ERP's record still; while it is refunded or credited in one system alone, nobody can tell.
    """
    return _held_the_same(order, erp) is False


def holds_the_same(order: Order, erp: ErpOrder) -> bool:
    """Whether the ERP's record is surely of this version of the order."""
    return _held_the_same(order, erp) is True


def _held_the_same(order: Order, erp: ErpOrder) -> bool | None:
    """None where nobody can tell."""
    back, credited = units_returned(order), Counter[str]()
    for each in erp.returns:
        credited.update({line.line_id: line.quantity for line in each.credited if line.quantity})
    if back != credited:
        return None
    sold = as_sold(order)
    entered = erp.total
    for exchange in erp.exchanges:
        # What was exchanged and came back is among the returns already.
        again = back.keys() & set(exchange.lines)
        entered -= exchange_worth(order, exchange.return_id) if again else exchange.total
    entered -= sum((each.total + each.fee for each in erp.returns), Decimal(0))
    units = held_units(erp)
    return sold.total == entered and all(
        line.current == units[line.line_id] - back.get(line.line_id, 0) for line in sold.lines
    )


def differing_exchanges(order: Order, erp: ErpOrder) -> tuple[str, ...]:
    """Returns of which the ERP has the exchange otherwise than the order: other units of a line, or another total.

    One of which units came back has its own credit note in the ERP, and cannot be compared so.
    """
    units = held_units(erp)
    found = []
    for each in erp.exchanges:
        part = only_exchange(order, each.return_id)
        if units_returned(part):
            continue
        now = {line.line_id: line.current for line in part.lines if line.current}
        if part.total != each.total or now != {line: units[line] for line in each.lines if units[line]}:
            found.append(each.return_id)
    return tuple(found)


def is_dearer(order: Order, erp: ErpOrder) -> bool:
    """Whether an exchange comes to more than the ERP has it for: that is to be paid before the ERP hears of it."""
    held = {each.return_id: each.total for each in erp.exchanges}
    return any(only_exchange(order, each).total > held[each] for each in differing_exchanges(order, erp))


def _line_words(change: LineChange, currency: str) -> list[str]:
    before, after = change.before, change.after
    if before is None:
        return [f"{after.name} added, {count_units(after.quantity)}"] if after else []
    if after is None:
        return [f"{before.name}: {before.quantity} -> 0 units"]
    told = []
    if before.quantity != after.quantity:
        told.append(f"{after.name}: {before.quantity} -> {after.quantity} units")
    if before.unit_price != after.unit_price:
        was, now = (format_money(line.unit_price, currency) for line in (before, after))
        told.append(f"{after.name}: price {was} -> {now}")
    return told or [f"{after.name}: another discount, tax or duty"]


def _terms_words(before: OrderTerms, after: OrderTerms, currency: str) -> list[str]:
    told = []
    if before.shipping_address != after.shipping_address:
        told.append("another shipping address")
    if before.billing_address != after.billing_address:
        told.append("another billing address")
    if [charge.code for charge in before.shipping] != [charge.code for charge in after.shipping]:
        names = (", ".join(charge.title for charge in terms.shipping) or "none" for terms in (before, after))
        told.append(f"shipping service {' -> '.join(names)}")
    elif before.shipping != after.shipping:
        told.append("another price of shipping")
    if before.fees != after.fees:
        told.append("other fees")
    if before.note != after.note:
        told.append("another note")
    if before.total != after.total:
        was, now = (format_money(terms.total, currency) for terms in (before, after))
        told.append(f"total {was} -> {now}")
    elif before.total_tax != after.total_tax:
        told.append("another tax")
    return told

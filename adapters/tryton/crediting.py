"""Credits a return in Tryton: a sale with quantities below zero, made from the order's, whose invoice is posted.

Its web id is the order's with the return's behind it, which Tryton keeps unique; its origin is the order's sale, as it
is of a return that people make. Nothing of it is shipped: goods go their own way (``adapters.tryton.putting_away``).
What can be refused is refused first: the sale is entered and its amounts are compared, then the goods move, then it
binds.
"""

from decimal import Decimal
from typing import Final

from adapters.errors import ContractBroken, Rejected
from adapters.spans import looked_up
from adapters.tryton.notes import read_note
from adapters.tryton.putting_away import PuttingAway
from adapters.tryton.reading import read_order
from adapters.tryton.records import CREDIT_MARK, SaleRecord
from adapters.tryton.references import ReferenceBook
from adapters.tryton.returned import UNITS_NOTE, is_posted, is_settled, papers_of, worth_note
from adapters.tryton.returning import Returning, refusal
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sales import SALE, Sales
from adapters.tryton.submission import OPEN
from adapters.tryton.sums import tax_adjustments, tax_amounts
from adapters.tryton.translate import (
    LineValues,
    References,
    SalePlan,
    numbered,
    plan_lines,
    rounding_lines,
    sum_taxes,
)
from domain.erp_order import (
    COUNTED,
    LOWERING,
    ErpOrder,
    SalesLine,
    SalesLineKind,
    TaxAdjustmentCause,
    TaxAmount,
)
from domain.returns import CreditLine, ReturnCredit
from domain.tax_reconciliation import name_adjustments

_STEPS: Final = 8
_INVOICE: Final = "account.invoice"
_OTHER_TAXES: Final = ".invoice_taxes"
"""Tryton's warning that a line's taxes are not its product's: they are those that the order was charged."""
_OF_PIECES: Final = frozenset({SalesLineKind.KEPT, SalesLineKind.PIECES})
_TAX_STEPS: Final = 3
"""A line's tax may be a cent off itself, and the share of some of its units is rounded once more."""


class Crediting:
    """Settles returns."""

    def __init__(
        self,
        rpc: TrytonRpc,
        sales: Sales,
        references: ReferenceBook,
        returning: Returning,
        putting_away: PuttingAway,
    ) -> None:
        self._rpc = rpc
        self._sales = sales
        self._references = references
        self._returning = returning
        self._putting_away = putting_away

    async def credit(self, request: ReturnCredit) -> ErpOrder:
        """See ``ErpPort.credit_return``."""
        try:
            return await self._credit(request)
        except Rejected:
            # Whatever was wrong is mended at the ERP: look at it anew next time.
            self._references.forget()
            raise

    async def _credit(self, request: ReturnCredit) -> ErpOrder:
        _check_sums(request)
        sale = await self._returning.sale_of(request.key, "credit return")
        papers, credit = papers_of(sale).get(request.return_id, []), sale.credit_of(request.return_id)
        looked_up(SYSTEM, "credit", found=credit is not None)
        if is_posted(credit) and is_settled(papers, credit):
            return read_order(sale)
        if papers and credit is None and not any(paper.alive for paper in papers):
            raise refusal(f"return {papers[0].number} is canceled", "return_canceled")
        await self._putting_away.check(sale, request)
        if request.lines:
            sale = await self._entered(request, sale)
        sale = await self._putting_away.settle(sale, request)
        if request.lines:
            sale = await self._bound(request, sale)
            await self._post(request, sale)
            sale = await self._sales.get(sale.id)
        return read_order(sale)

    async def _entered(self, request: ReturnCredit, sale: SaleRecord) -> SaleRecord:
        """The sale with a credit of exactly the asked content; a draft of another content is replaced."""
        plan = await self._plan(request, sale)
        credit = sale.credit_of(request.return_id)
        if credit is not None and credit.state in OPEN and not _holds(credit, plan):
            await self._returning.remove(credit)
            credit = None
        if credit is None:
            try:
                await self._rpc.call("create credit", f"model.{SALE}.create", [plan.values], writes=True)
            except Rejected:
                # Tryton keeps web shop and web id unique: somebody else may have entered it just now.
                sale = await self._sales.get(sale.id)
                if sale.credit_of(request.return_id) is None:
                    raise
        sale = await self._pressed(
            request, sale, until=frozenset({"quotation", "confirmed", "processing", "done"})
        )
        credit = _credit_in(sale, request)
        try:
            _compare(request, credit)
        except Rejected:
            # Nothing of a refused credit stays in the ERP, so that a mended one starts clean.
            if credit.state in OPEN:
                await self._returning.remove(credit)
            raise
        return sale

    async def _bound(self, request: ReturnCredit, sale: SaleRecord) -> SaleRecord:
        return await self._pressed(request, sale, until=frozenset({"processing", "done"}))

    async def _pressed(self, request: ReturnCredit, sale: SaleRecord, *, until: frozenset[str]) -> SaleRecord:
        """The sale, its credit brought forward to one of these states."""
        buttons = {"draft": "quote", "quotation": "confirm", "confirmed": "process"}
        for _ in range(_STEPS):
            sale = await self._sales.get(sale.id)
            credit = _credit_in(sale, request)
            if credit.state in until:
                return sale
            if credit.state not in buttons:
                raise refusal(
                    f"sale {credit.number}, which credits return {request.number}, was canceled in the ERP; reset it "
                    "to draft there, then resubmit",
                    f"credit_canceled:{request.key}",
                )
            try:
                await self._sales.press(credit.id, buttons[credit.state])
            except Rejected:
                # A button that does not fit the state any more is refused: somebody was quicker. Look again.
                now = (await self._sales.get(sale.id)).credit_of(request.return_id)
                if now is None or now.state == credit.state:
                    raise
        raise ContractBroken(
            SYSTEM, "process credit", f"the credit of {request.number} does not go on", str(sale)
        )

    async def _post(self, request: ReturnCredit, sale: SaleRecord) -> None:
        credit = _credit_in(sale, request)
        drafts = [invoice.id for invoice in credit.invoices if invoice.state in {"draft", "validated"}]
        if drafts:
            await self._rpc.call(
                "post credit note",
                f"model.{_INVOICE}.post",
                drafts,
                writes=True,
                acknowledge=lambda warning, _: warning.endswith(_OTHER_TAXES),
            )

    async def _plan(self, request: ReturnCredit, sale: SaleRecord) -> SalePlan:
        products = {line.product for line in request.lines}
        taxes = {tax.code for line in request.lines for tax in line.taxes}
        references = await self._references.of_lines(request.key.channel, sale.currency.code, products, taxes)
        return plan_credit(request, sale, references)


def plan_credit(request: ReturnCredit, sale: SaleRecord, references: References) -> SalePlan:
    """The sale that comes to the credit's amounts to the cent, tax by tax: below zero but for what is held back. Pure.

    Raises Rejected with cause ``amounts_differ`` where that cannot be.
    """
    kept = [line for line in request.lines if line.kind in LOWERING]
    given = [line for line in request.lines if line.kind not in LOWERING]
    # What was tolerated when the order was entered is given back as it was charged.
    tolerated = [x for x in tax_adjustments(sale) if x.code and x.cause is TaxAdjustmentCause.TOLERANCE]
    steps = _TAX_STEPS + int(sum(abs(x.amount) for x in tolerated) / references.currency_step)
    back, missing = plan_lines([_line(x) for x in given], references, steps=steps)
    fees, more = plan_lines([_line(x) for x in kept], references, steps=_TAX_STEPS)
    units = {line.line_id for line in given if line.kind in COUNTED and line.quantity}
    off = [TaxAmount(code=each.code, amount=each.amount) for each in more]
    off += [TaxAmount(code=each.code, amount=-each.amount) for each in missing]
    cents = name_adjustments((), off)
    worth = {line.line_id: worth_note(line) for line in request.lines if line.kind in _OF_PIECES}
    lines = [_marked(x, worth) for x in (*(_below_zero(x, units) for x in back), *fees)]
    lines += rounding_lines(cents, references)
    return SalePlan(
        values={
            "company": references.company,
            "web_shop": references.shop,
            "web_id": f"{request.key.external_id}{CREDIT_MARK}{request.return_id}",
            "origin": f"{SALE},{sale.id}",
            "reference": request.number,
            "description": f"Credit of return {request.number} of {request.key.channel}",
            "party": sale.party,
            "invoice_address": sale.invoice_address,
            "shipment_address": sale.shipment_address,
            "payment_term": sale.payment_term,
            "currency": references.currency,
            "warehouse": sale.warehouse.id if sale.warehouse else None,
            "carrier": None,
            "shipment_cost_method": None,
            "invoice_method": "order",
            # Goods come back by their own papers, which are there before anybody knows what they are worth.
            "shipment_method": "manual",
            "comment": request.note,
            "lines": numbered(lines),
        },
        lines=tuple(planned for planned, _ in lines),
    )


def _line(line: CreditLine) -> SalesLine:
    """A part of a price that is given back without units is one piece of that price."""
    return SalesLine(
        line_id=line.line_id,
        kind=line.kind,
        product=line.product,
        warehouse=None,
        quantity=max(line.quantity, 1),
        net=line.net,
        taxes=line.taxes,
        description=line.description,
    )


def _below_zero(line: LineValues, with_units: set[str]) -> LineValues:
    planned, values = line
    note = planned.note
    if note.removeprefix("Store line: ") in with_units:
        note = f"{note}\n{UNITS_NOTE}"
    return (
        planned._replace(quantity=-planned.quantity, note=note),
        {**values, "quantity": -values["quantity"], "note": note},
    )


def _marked(line: LineValues, worth: dict[str, str]) -> LineValues:
    """The line, of pieces of a kit with what they are worth to the cent: what Tryton rounds stands on other lines."""
    planned, values = line
    origin = read_note(planned.note)
    note = worth.get(origin[0]) if origin else None
    if note is None:
        return line
    note = f"{planned.note}\n{note}"
    return planned._replace(note=note), {**values, "note": note}


def _credit_in(sale: SaleRecord, request: ReturnCredit) -> SaleRecord:
    credit = sale.credit_of(request.return_id)
    if credit is None:
        reason = f"the credit of return {request.number} is gone"
        raise ContractBroken(SYSTEM, "credit return", reason)
    return credit


def _holds(credit: SaleRecord, plan: SalePlan) -> bool:
    """Whether what an earlier try left is what we would enter now."""
    held = sorted((line.planned() for line in credit.order_lines), key=str)
    return held == sorted(plan.lines, key=str)


def _check_sums(request: ReturnCredit) -> None:
    """The lines must come to the total and to the taxes. Raises Rejected, cause ``amounts_differ``."""
    taxes: dict[str, Decimal] = {}
    net = Decimal(0)
    for line in request.lines:
        sign = -1 if line.kind in LOWERING else 1
        net += sign * line.net
        for code, amount in sum_taxes(line.taxes).items():
            taxes[code] = taxes.get(code, Decimal(0)) + sign * amount
    _require_equal(request, net + sum(taxes.values(), Decimal(0)), taxes, "its lines come to")


def _compare(request: ReturnCredit, credit: SaleRecord) -> None:
    taxes = {code: -amount for code, amount in tax_amounts(credit).items()}
    _require_equal(request, -credit.total_amount, taxes, "the ERP says")


def _require_equal(request: ReturnCredit, total: Decimal, taxes: dict[str, Decimal], who: str) -> None:
    expected = sum_taxes(request.taxes)
    differences = [
        f"tax {code}: the credit is to have {expected.get(code, Decimal(0))}, {who} {taxes.get(code, Decimal(0))}"
        for code in sorted(expected.keys() | taxes.keys())
        if expected.get(code, Decimal(0)) != taxes.get(code, Decimal(0))
    ]
    if total != request.total:
        off = total - request.total
        differences.insert(
            0, f"total: the credit is to be {request.total}, {who} {total}, a difference of {off}"
        )
    if differences:
        raise refusal(f"return {request.number}: " + "; ".join(differences), "amounts_differ")

"""How the memory ERP invoices: the whole order once it is accepted, and later only what its total changed by."""

from decimal import Decimal

from domain.erp_order import ErpInvoice, ErpInvoiceState, ErpOrder, ErpOrderState

_NOTHING = Decimal(0)
_IN_FORCE = frozenset({ErpOrderState.ACCEPTED, ErpOrderState.DONE})


def bill(order: ErpOrder, before: ErpOrder | None) -> ErpOrder:
    """The order with the invoices it needs now; ``before`` is the order as the books held it.

    A draft takes a change in, what is posted stays and another invoice (or a credit note) is made. Drafts of a
    canceled order are canceled.
    """
    if order.state is ErpOrderState.CANCELED:
        return order.model_copy(update={"invoices": tuple(_canceled(x) for x in order.invoices)})
    if order.state not in _IN_FORCE:
        return order
    if not order.invoices:
        return _with(order, _tax(order), order.total)
    if before is None or (before.total, before.taxes) == (order.total, order.taxes):
        return order
    return _with(order, _tax(order) - _tax(before), order.total - before.total)


def _with(order: ErpOrder, tax: Decimal, total: Decimal) -> ErpOrder:
    invoices = list(order.invoices)
    drafts = [x for x in invoices if x.state is ErpInvoiceState.DRAFT]
    if drafts:
        sign = -1 if drafts[0].is_credit else 1
        made = _invoice(drafts[0].invoice_id, sign * drafts[0].tax + tax, sign * drafts[0].total + total)
        invoices[invoices.index(drafts[0])] = made
    else:
        invoices.append(_invoice(f"{order.erp_id}-{len(invoices) + 1}", tax, total))
    return order.model_copy(update={"invoices": tuple(invoices)})


def _invoice(invoice_id: str, tax: Decimal, total: Decimal) -> ErpInvoice:
    return ErpInvoice(
        invoice_id=invoice_id,
        state=ErpInvoiceState.DRAFT,
        is_credit=total < 0,
        net=abs(total - tax),
        tax=abs(tax),
        total=abs(total),
    )


def _tax(order: ErpOrder) -> Decimal:
    return sum((tax.amount for tax in order.taxes), _NOTHING)


def _canceled(invoice: ErpInvoice) -> ErpInvoice:
    if invoice.state is not ErpInvoiceState.DRAFT:
        return invoice
    return invoice.model_copy(update={"state": ErpInvoiceState.CANCELED})

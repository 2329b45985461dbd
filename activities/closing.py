"""What the order's row and its story say once both systems were compared at the end. Pure."""

from datetime import datetime
from decimal import Decimal

from domain.balance import BalanceReport
from domain.differences import Acceptance, accepted_by
from domain.money import format_money
from domain.status import OrderStatus
from store.order_view import OrderPatch


def outcome_of(
    report: BalanceReport,
    *,
    currency: str,
    erp_total: Decimal,
    until: datetime | None,
    acceptances: tuple[Acceptance, ...],
    at: datetime,
) -> tuple[str, OrderPatch]:
    """The sentence, and what it changes of the row; a balanced order stays open for returns ``until`` then, or is
    closed ``at`` this time.

    ``currency`` is the order's, as is ``erp_total``.
    """
    if not report.balanced:
        text = "Not balanced: " + "; ".join(d.sentence(currency) for d in report.differences)
        return text, OrderPatch(problem=text, waiting_for="a person: resubmit after the correction")
    if until is not None:
        text = f"Balanced: {format_money(report.total, currency)}; open for returns until {until:%Y-%m-%d}"
        return text, OrderPatch(
            status=OrderStatus.SHIPPED,
            waiting_for=f"returns, until {until:%Y-%m-%d}",
            erp_total=erp_total,
            captured=report.captured,
            problem="",
        )
    return _closed(report, currency, acceptances), OrderPatch(
        status=OrderStatus.CLOSED,
        waiting_for="",
        total=report.total,
        erp_total=erp_total,
        captured=report.captured,
        closed_at=at,
        problem="",
    )


def _closed(report: BalanceReport, currency: str, acceptances: tuple[Acceptance, ...]) -> str:
    total = format_money(report.total, currency)
    if report.on_terms:
        total += f"; {format_money(report.on_terms, currency)} due on terms ({report.terms})"
    if not report.accepted:
        return f"Balanced and closed: {total}"
    who = accepted_by(report.accepted, acceptances)
    listed = "; ".join(difference.sentence(currency) for difference in report.accepted)
    return f"Closed at {total} with what {who} accepted: {listed}"

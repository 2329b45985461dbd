"""Which orders a person has to approve before they go to the ERP: the table ``[approval]`` of a mapping file."""

from typing import Annotated

from pydantic import Field, field_validator

from domain.model import Amount, Frozen
from domain.money import format_money
from domain.order import Order, Risk

_RANKS = {Risk.NONE: 0, Risk.PENDING: 0, Risk.LOW: 1, Risk.MEDIUM: 2, Risk.HIGH: 3}


class ApprovalRules(Frozen):
    """The rules of a channel; without ``above`` and ``risk`` nothing needs an approval."""

    above: Annotated[Amount, Field(ge=0)] | None = None
    """Orders of a greater total need one; in ``Order.currency``."""
    risk: Risk | None = None
    """Orders whose risk the storefront rates so, or higher, or has not rated yet need one."""
    remind_after_days: Annotated[int, Field(ge=1)] = 2
    """How often a person is reminded of an order that waits."""

    @field_validator("risk")
    @classmethod
    def _is_a_rating(cls, risk: Risk | None) -> Risk | None:
        if risk in {Risk.NONE, Risk.PENDING}:
            msg = f"{risk} is no rating to ask from; give low, medium or high, or leave it out"
            raise ValueError(msg)
        return risk


class ApprovalNeeded(Frozen):
    """Why an order waits for a person's approval, one fact each, and how often that person is reminded."""

    reasons: tuple[str, ...]
    remind_after_days: int


class Approval(Frozen):
    """Somebody approved an order as it was: of that total, and of that risk."""

    actor: str
    reason: str
    total: Amount
    risk: Risk

    def covers(self, order: Order) -> bool:
        """Whether it holds for the order as it is now: it has become neither dearer nor more risky."""
        rated_before = order.risk is self.risk or (
            order.risk is not Risk.PENDING and _RANKS[order.risk] <= _RANKS[self.risk]
        )
        return order.total <= self.total and rated_before


def approval_needed(order: Order, rules: ApprovalRules) -> ApprovalNeeded | None:
    """Why the order needs an approval by these rules; None where it needs none, is canceled, or was handed over."""
    if order.canceled_at is not None or order.handed_over:
        return None
    reasons = []
    if rules.above is not None and order.total > rules.above:
        total, limit = (format_money(amount, order.currency) for amount in (order.total, rules.above))
        reasons.append(f"its total {total} is above {limit}")
    if rules.risk is not None:
        if order.risk is Risk.PENDING:
            reasons.append("the storefront is still assessing its risk")
        elif _RANKS[order.risk] >= _RANKS[rules.risk]:
            reasons.append(f"the storefront rates its risk {order.risk}")
    if not reasons:
        return None
    return ApprovalNeeded(reasons=tuple(reasons), remind_after_days=rules.remind_after_days)

"""Cases: problems of one cause, for people.

A cause is ``family:part:part`` (``product_unknown:tryton:ABC-1``). Equal causes are one case, however many orders wait;
the family says how it is told and what helps (``domain.case_guides``).
"""

from enum import StrEnum
from hashlib import sha256

from domain.case_guides import GUIDES, OTHER, CaseGuide
from domain.model import Frozen
from domain.order import OrderKey
from domain.return_guides import RETURN_GUIDES
from domain.stock_guides import STOCK_GUIDES
from domain.sweep_guides import SWEEP_GUIDES

LONGEST_CAUSE = 300
_GUIDES = {**RETURN_GUIDES, **STOCK_GUIDES, **SWEEP_GUIDES, **GUIDES}
AUTHORIZATION_EXPIRES = "authorization_expires"
"""Family of the cause that an authorization expires before its goods leave."""
_CURED_BY_PAYMENT = frozenset(
    {
        AUTHORIZATION_EXPIRES,
        "authorization_captured_once",
        "authorization_expired",
        "authorization_unknown",
        "authorization_voided",
        "capture_exceeds_authorization",
        "capture_failed",
    }
)
_CURED_IN_STOREFRONT = frozenset(
    {
        "amount_too_fine",
        "amounts_differ:order",
        "discount_exceeds_price",
        "edit_after_return",
        "edit_refused",
        "locations_differ",
        "no_location",
        "not_open_to_ship",
        "sku_missing",
        "unbalanced",
    }
)
"""By family, or by family and first part."""
APPROVAL_NEEDED = "approval_needed"
"""Family of orders that a person has to approve before they go to the ERP."""
RETURN_REQUESTED = "return_requested"
"""Family of returns that buyers ask for and that a person has to agree to."""
RETURN_INSPECTION = "return_inspection"
"""Family of goods that came back and that a person has to judge."""
BACKORDER = "backorder"
"""Family of units that are not in stock, where a person is to say what becomes of them."""
RETURN_RECEIVED = "return_received"
"""Family of returns that are to be given up although their goods are in; over once the ERP tells of them."""
RETURN_GREW = "return_grew"
"""Family of returns of which more came in while they were being settled; over once that is heard of."""
CANCEL_PICKED = "cancel_picked"
"""Family of units that are to be canceled and that the warehouse has in hand."""
NOBODY = "operator"
"""Stands in stories for somebody who gave no name: such a one can accept and approve nothing."""
ORDER_UNKNOWN = "order_unknown"
"""Family of orders that a system does not have (any more)."""
CANCEL_REFUSED = "cancel_refused"
"""Family of orders that the storefront has canceled and the ERP has not."""
UNBALANCED = "unbalanced"
"""Family of orders that the two systems hold otherwise."""
GIVEN_UP = "given_up_in_erp"
"""Family of units that people of the ERP gave up, where a person is to say whether they are canceled."""
EDIT_REFUSED = "edit_refused"
"""Family of edits that the ERP cannot take over whole."""


class CaseReport(Frozen):
    """Something that only a person can mend."""

    cause: str
    """``family:part:part``, stable: equal causes are one case."""
    reason: str
    """Plain words."""
    key: OrderKey | None = None
    """The order that waits; None where it concerns no single order (a silent channel)."""
    evidence: str = ""
    """Raw request and answer; masked before it is kept."""


class CaseState(StrEnum):
    """Whether somebody or something still waits."""

    OPEN = "open"
    RESOLVED = "resolved"


def family(cause: str) -> str:
    """The part before the first colon."""
    return cause.partition(":")[0]


def known(cause: str) -> bool:
    """Whether the table has an entry for the cause's family."""
    return family(cause) in _GUIDES


def guide(cause: str) -> CaseGuide:
    """What the cause means and what helps, its parts filled in. A family nobody foresaw gets a sensible default."""
    name, *parts = cause.split(":", maxsplit=2)
    found = (_GUIDES.get(f"{name}:{parts[0]}") if parts else None) or _GUIDES.get(name) or OTHER
    named = [*(part or "?" for part in parts), "?", "?"]
    words = name.replace("_", " ").strip() or "unknown cause"
    title = found.title.format(*named, family=words[:1].upper() + words[1:])
    return found.model_copy(update={"title": title})


def case_key(cause: str) -> str:
    """The cause as it is kept: one that is too long is cut, and stays distinct by a digest of the whole."""
    if len(cause) <= LONGEST_CAUSE:
        return cause
    return f"{cause[: LONGEST_CAUSE - 13]}~{sha256(cause.encode()).hexdigest()[:12]}"


def cured_by_mapping(cause: str) -> bool:
    """Whether another mapping may mend it: an order that is resubmitted then takes the mapping in force."""
    return family(cause) in {"unmapped", "mapping_version_lost"}


def cured_in_storefront(cause: str) -> bool:
    """Whether it may be over, or may have come about, by a change of the order that the storefront tells of."""
    name, *parts = cause.split(":", maxsplit=2)
    return name in _CURED_IN_STOREFRONT or ":".join([name, *parts[:1]]) in _CURED_IN_STOREFRONT


def cured_by_payment(cause: str) -> bool:
    """Whether it may be over once the storefront says that the order is paid."""
    name, _, kinds = cause.partition(":")
    return name in _CURED_BY_PAYMENT or (name == UNBALANCED and "money" in kinds.split("+"))

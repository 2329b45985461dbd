"""How each error becomes a Temporal failure: the second half of the table in ``adapters.errors``."""

import random
from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from adapters.errors import (
    AdapterError,
    Conflict,
    ContractBroken,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from domain.connection import ERP_SYSTEM
from domain.differences import Difference, PlanRefused, Unbalanced
from domain.mapping import Unmapped
from domain.model import Frozen
from domain.quantities import QuantitiesBroken
from store.masking import mask_evidence

LOOK_UP_AFTER = timedelta(seconds=2)
"""At least, after a lost answer or a conflict: long enough for the other side to finish, and hardly noticed."""
LOOK_UPS_AT_ONCE = 5
"""So many tries of one activity follow each other that closely: each of its several writes may lose its answer once."""
LONGEST_PAUSE = timedelta(seconds=60)
"""Between two tries of what is away."""

PATIENCE = 15
"""So many tries of one call that fails while its system answers; their pauses come to five minutes and more."""

_dice = random.SystemRandom()


class Refusal(Frozen):
    """Why an order cannot go on without a human: ``cause`` groups equal refusals, ``reason`` is plain words."""

    cause: str
    reason: str
    differences: tuple[Difference, ...] = ()
    """What a person may accept as it is."""
    may_stay: bool = False
    """A person may accept it although no amount or unit differs (an address)."""


Explained = AdapterError | Unmapped | PlanRefused | QuantitiesBroken | Unbalanced
EXPLAINED = (AdapterError, Unmapped, PlanRefused, QuantitiesBroken, Unbalanced)
"""What ``as_application_error`` can put in words for an operator."""


def as_application_error(error: Explained, attempt: int, alone: int | None = None) -> ApplicationError:
    """The one place that decides: retry, when, and whether it alarms anybody. ``attempt`` counts from 1.

    ``alone`` is how often the call failed while its system answered, now included; tries of an outage are none of them.
    None where nobody counts: then every attempt is one.

    A refusal is not retried and carries a ``Refusal`` as its detail; an expected outage is BENIGN.
    """
    match error:
        case Unmapped():
            refusal = Refusal(cause=error.cause, reason=str(error))
            return _refused("Unmapped", refusal)
        case QuantitiesBroken():
            return _refused("QuantitiesBroken", Refusal(cause="quantities_broken", reason=str(error)))
        case PlanRefused() | Unbalanced():
            refusal = Refusal(cause=error.cause, reason=error.reason, differences=error.differences)
            return _refused(type(error).__name__, refusal)
        case Rejected():
            reason = f"{_named(error.system)} refused to {error.operation}: {error.reason}"
            return _refused("Rejected", Refusal(cause=error.cause, reason=reason))
        case ContractBroken():
            asked = f"{_named(error.system)}, asked to {error.operation},"
            reason = f"{asked} answered in a form nobody agreed on: {error.reason}"
            detail = Refusal(cause=f"contract_broken:{error.system}:{error.operation}", reason=reason)
            return ApplicationError(
                str(error), detail, mask_evidence(error.raw), type="ContractBroken", non_retryable=True
            )
        case _ if error.this_call_alone and (times := attempt if alone is None else alone) >= PATIENCE:
            asked = f"{_named(error.system)}, asked to {error.operation},"
            tried = f"{asked} failed {times} times while it answers otherwise"
            reason = f"{tried}: {error.reason}"
            cause = f"call_fails:{error.system}:{error.operation}"
            return _refused("CallFails", Refusal(cause=cause, reason=reason))
        case RateLimited():
            delay: timedelta | None = error.retry_after
        case OutcomeUnknown() | Conflict():
            delay = max(LOOK_UP_AFTER, _pause(attempt - LOOK_UPS_AT_ONCE))
        case _:
            delay = _pause(attempt)
    return ApplicationError(
        str(error),
        type=type(error).__name__,
        next_retry_delay=delay,
        category=ApplicationErrorCategory.BENIGN,
    )


def _named(system: str) -> str:
    """A system as people call it: the ERP, or the storefront's channel."""
    return "the ERP" if system == ERP_SYSTEM else system


def _refused(kind: str, refusal: Refusal) -> ApplicationError:
    return ApplicationError(
        refusal.reason, refusal, type=kind, non_retryable=True, category=ApplicationErrorCategory.BENIGN
    )


def never_final(failure: ApplicationError) -> ApplicationError:
    """The same failure for what must go on by itself: a refusal is tried again too, and alarms."""
    if not failure.non_retryable:
        return failure
    return ApplicationError(failure.message, *failure.details, type=failure.type)


def _pause(attempt: int) -> timedelta:
    """1, 2, 4 up to 60 seconds, cut by up to half by chance: what went down together does not come back together."""
    whole = min(timedelta(seconds=2.0 ** max(0, min(attempt - 1, 10))), LONGEST_PAUSE)
    return whole * _dice.uniform(0.5, 1.0)

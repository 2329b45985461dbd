"""Whether both systems hold the same orders: every order placed is matched, explained, repaired or unexplained.

An order is judged from what both systems' lists say and from what Orderwright itself knows of it. The rules are pure;
``activities.sweep`` asks the systems and carries the repairs out.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.cases import guide
from domain.erp_order import ErpOrderState
from domain.listings import ErpRecord, PlacedOrder
from domain.model import Amount, Frozen, Instant
from domain.order import OrderKey
from domain.status import OrderStatus


class Flow(StrEnum):
    """What is compared."""

    ORDERS = "orders"
    SHIPMENTS = "shipments"


class Explanation(StrEnum):
    """The name of what was found; see ``docs/sweep.md``."""

    MATCHED = "matched"
    ON_ITS_WAY = "on its way"
    WEBHOOK_WAITS = "webhook not handed over yet"
    WAITS_FOR_PERSON = "waits for a person"
    AWAITS_PAYMENT = "waits for its payment"
    AWAITS_RELEASE = "waits for its release"
    NOT_CARRIED = "not carried"
    CANCELED_BEFORE_ENTRY = "canceled before it was entered"
    MISSED_WEBHOOK = "missed webhook"
    LOST = "nobody carried it"
    UNREADABLE = "unreadable in the ERP"
    STUCK = "carried for long without a result"
    GONE_FROM_ERP = "gone from the ERP"
    ENTERED_BY_HAND = "entered by hand"
    ONLY_IN_ERP = "only in the ERP"
    TWICE_IN_ERP = "twice in the ERP"
    CANCELED_IN_STOREFRONT = "canceled in the storefront only"
    CANCELED_IN_ERP = "canceled in the ERP only"
    EDITED = "edited in the storefront, unheard"
    NOT_TOLD = "shipped, but the storefront was not told"


class Repair(StrEnum):
    """What the sweep does about it by itself."""

    NONE = "none"
    START = "start the order"
    """Give its workflow a hint, as a webhook would; starts it where it does not run."""
    TELL = "tell the order what the ERP holds"


class Standing(StrEnum):
    """How a finding counts."""

    MATCHED = "matched"
    EXPLAINED = "explained"
    REPAIRED = "repaired"
    UNEXPLAINED = "unexplained"


_EXPLAINED: Final = frozenset(
    {
        Explanation.ON_ITS_WAY,
        Explanation.WEBHOOK_WAITS,
        Explanation.WAITS_FOR_PERSON,
        Explanation.AWAITS_PAYMENT,
        Explanation.AWAITS_RELEASE,
        Explanation.NOT_CARRIED,
        Explanation.CANCELED_BEFORE_ENTRY,
    }
)
_FINAL: Final = frozenset({Explanation.MATCHED, Explanation.NOT_CARRIED, Explanation.CANCELED_BEFORE_ENTRY})
_FAMILIES: Final = {
    Explanation.MISSED_WEBHOOK: "not_carried_on",
    Explanation.LOST: "not_carried_on",
    Explanation.UNREADABLE: "unreadable_in_erp",
    Explanation.STUCK: "stuck",
    Explanation.GONE_FROM_ERP: "gone_from_erp",
    Explanation.ENTERED_BY_HAND: "entered_by_hand",
    Explanation.ONLY_IN_ERP: "only_in_erp",
    Explanation.TWICE_IN_ERP: "duplicate_in_erp",
    Explanation.CANCELED_IN_STOREFRONT: "canceled_in_storefront_only",
    Explanation.CANCELED_IN_ERP: "canceled_in_erp_only",
    Explanation.EDITED: "edit_unheard",
    Explanation.NOT_TOLD: "shipment_untold",
}
"""The family of causes that an unexplained finding is a case of; ``domain.cases`` tells what helps."""


class Finding(Frozen):
    """What was found of one order in one flow. ``sentence`` names both sides in plain words."""

    flow: Flow
    key: OrderKey
    number: str
    explanation: Explanation
    sentence: str = ""
    repair: Repair = Repair.NONE
    in_erp: bool = False
    """A living record of it is in the ERP; in the flow of shipments: the storefront shows them all."""

    @property
    def standing(self) -> Standing:
        """How it counts."""
        if self.explanation is Explanation.MATCHED:
            return Standing.MATCHED
        if self.repair is not Repair.NONE:
            return Standing.REPAIRED
        return Standing.EXPLAINED if self.explanation in _EXPLAINED else Standing.UNEXPLAINED

    @property
    def settled(self) -> bool:
        """Nothing more is to come: the next sweep need not look at it again."""
        return self.explanation in _FINAL

    @property
    def cause(self) -> str:
        """Of the case that it is, such as ``duplicate_in_erp:shop:5001``; empty where nobody has to look."""
        return f"{_FAMILIES[self.explanation]}:{self.key}" if self.standing is Standing.UNEXPLAINED else ""

    @property
    def remedy(self) -> str:
        """What a person can do; empty where nothing is to be done."""
        return guide(self.cause).fix if self.cause else ""


class Known(Frozen):
    """What Orderwright itself knows of an order."""

    status: OrderStatus | None = None
    """As its row says; None where there is no row."""
    ended: bool = False
    """It was brought to its end: closed or canceled."""
    running: bool = False
    """A workflow carries it."""
    waits_for: str = ""
    """Why its workflow stands still until a person comes; empty where it does not."""
    awaits_payment: bool = False
    """Its workflow stands still until the buyer pays."""
    awaits_release: bool = False
    """Its workflow stands still until its goods may leave."""
    noted_at: Instant | None = None
    """When its row was written last."""
    webhook_waits: bool = False
    webhook_came: bool = False
    repaired: frozenset[Explanation] = frozenset()
    """What the last sweep repaired of it; the same once more means that the repair does not help."""


class Patience(Frozen):
    """How long things may take."""

    grace: timedelta = timedelta(minutes=15)
    """Younger than this, an order or a change is on its way."""
    longest: timedelta = timedelta(days=1)
    """A workflow that runs, waits for nobody, and has nothing to show after this is stuck."""


class Evidence(Frozen):
    """Everything that one order is judged by."""

    key: OrderKey
    placed: PlacedOrder | None
    """As the storefront lists it; None where it has none of that id."""
    records: tuple[ErpRecord, ...]
    """Every record of it in the ERP."""
    known_total: Amount | None = None
    """What the buyer owed when the order was read last, where it was."""
    ours_since: Instant | None = None
    """Orders placed before are somebody else's, unless we know them."""
    known: Known = Known()
    now: Instant
    patience: Patience = Patience()

    @property
    def alive(self) -> tuple[ErpRecord, ...]:
        """Records that are not canceled."""
        return tuple(record for record in self.records if record.state is not ErpOrderState.CANCELED)

    @property
    def number(self) -> str:
        """What people call the order."""
        if self.placed is not None:
            return self.placed.number
        return next((record.reference for record in self.records if record.reference), str(self.key))

    @property
    def needs_knowledge(self) -> bool:
        """Whether both lists alone do not settle it; most they do, and then nothing else is asked."""
        alive, placed = self.alive, self.placed
        if placed is None or placed.canceled_at is not None:
            return bool(alive)
        if not alive:
            return not placed.test
        entered = len(alive) == 1 and alive[0].key is not None and alive[0].state is not ErpOrderState.DRAFT
        return not entered or alive[0].shipped > placed.fulfilled or self.is_edited

    @property
    def is_edited(self) -> bool:
        """The storefront's total is another than we read."""
        return (
            self.placed is not None and self.known_total is not None and self.placed.total != self.known_total
        )

    def is_young(self, since: datetime) -> bool:
        """Whether what happened then may still be on its way."""
        return self.now - since < self.patience.grace


_Verdict = tuple[Explanation, str, Repair]


def judge_order(evidence: Evidence) -> Finding:
    """What becomes of one order."""
    explanation, sentence, repair = _helping(evidence, _order(evidence))
    return Finding(
        flow=Flow.ORDERS,
        key=evidence.key,
        number=evidence.number,
        explanation=explanation,
        sentence=sentence,
        repair=repair,
        in_erp=bool(evidence.alive),
    )


def judge_shipments(evidence: Evidence) -> Finding | None:
    """Whether the storefront knows what left the house; None where nothing left, or it is no order of the channel."""
    ours = [record for record in evidence.records if record.key is not None and record.shipped]
    if not ours or evidence.placed is None:
        return None
    shipped = sum(record.shipped for record in ours)
    told = evidence.placed.fulfilled
    verdict: _Verdict = (Explanation.MATCHED, "", Repair.NONE)
    if told < shipped:
        units = "1 unit" if shipped == 1 else f"{shipped} units"
        verdict = _untold(
            evidence, ours, f"{units} left the house ({_named(ours)}), the storefront shows {told}"
        )
    explanation, sentence, repair = _helping(evidence, verdict)
    return Finding(
        flow=Flow.SHIPMENTS,
        key=evidence.key,
        number=evidence.number,
        explanation=explanation,
        sentence=sentence,
        repair=repair,
        in_erp=told >= shipped,
    )


def _helping(evidence: Evidence, verdict: _Verdict) -> _Verdict:
    """No repair is tried twice in a row: where it did not help, a person has to look."""
    explanation, sentence, repair = verdict
    if repair is not Repair.NONE and explanation in evidence.known.repaired:
        return explanation, f"{sentence}; the last sweep's repair did not help", Repair.NONE
    return verdict


def _order(evidence: Evidence) -> _Verdict:
    alive, placed = evidence.alive, evidence.placed
    if broken := next((record for record in alive if record.unreadable), None):
        return Explanation.UNREADABLE, f"{broken.number} cannot be read: {broken.unreadable}", Repair.NONE
    if placed is None:
        return _not_in_storefront(evidence)
    if len(alive) > 1:
        return Explanation.TWICE_IN_ERP, f"the ERP holds {_named(alive)} for one order", Repair.NONE
    if alive and alive[0].key is None:
        sentence = f"the ERP holds it as {_named(alive)}: Orderwright does not carry that record"
        return Explanation.ENTERED_BY_HAND, sentence, Repair.NONE
    if placed.canceled_at is not None:
        return _canceled_in_storefront(evidence, placed.canceled_at)
    if any(record.state is not ErpOrderState.DRAFT for record in alive):
        return _in_both(evidence, placed)
    if evidence.records and not alive:
        return _canceled_in_erp(evidence)
    return _missing(evidence, placed)


def _not_in_storefront(evidence: Evidence) -> _Verdict:
    # An order that we know was read from the storefront once: it shows no orders of that age any more.
    if not evidence.alive or evidence.known.status is not None:
        return Explanation.MATCHED, "", Repair.NONE
    sentence = f"the ERP holds {_named(evidence.alive)}, the storefront has no such order"
    return Explanation.ONLY_IN_ERP, sentence, Repair.NONE


def _canceled_in_storefront(evidence: Evidence, canceled_at: datetime) -> _Verdict:
    known = evidence.known
    if not evidence.alive:
        gone = Explanation.MATCHED if evidence.records else Explanation.CANCELED_BEFORE_ENTRY
        return gone, "", Repair.NONE
    if known.waits_for:
        return Explanation.WAITS_FOR_PERSON, known.waits_for, Repair.NONE
    sentence = f"the storefront canceled it, the ERP still holds {_named(evidence.alive)}"
    if evidence.is_young(canceled_at) or known.webhook_waits:
        return Explanation.ON_ITS_WAY, sentence, Repair.NONE
    # One that was closed, and of which nothing had left, is canceled once it hears of it.
    hears = not known.ended or known.status is OrderStatus.CLOSED
    return Explanation.CANCELED_IN_STOREFRONT, sentence, Repair.START if hears else Repair.NONE


def _canceled_in_erp(evidence: Evidence) -> _Verdict:
    known = evidence.known
    if known.waits_for:
        return Explanation.WAITS_FOR_PERSON, known.waits_for, Repair.NONE
    sentence = f"the ERP canceled {_named(evidence.records)}, the storefront did not"
    if evidence.is_young(max(record.changed_at for record in evidence.records)):
        return Explanation.ON_ITS_WAY, sentence, Repair.NONE
    return Explanation.CANCELED_IN_ERP, sentence, _waking(known)


def _in_both(evidence: Evidence, placed: PlacedOrder) -> _Verdict:
    known = evidence.known
    if not evidence.is_edited:
        return Explanation.MATCHED, "", Repair.NONE
    if known.waits_for:
        return Explanation.WAITS_FOR_PERSON, known.waits_for, Repair.NONE
    sentence = (
        f"it comes to {placed.total} in the storefront, and to {evidence.known_total} as it was read last"
    )
    if evidence.is_young(placed.changed_at) or known.webhook_waits:
        return Explanation.ON_ITS_WAY, sentence, Repair.NONE
    return Explanation.EDITED, sentence, Repair.START


def _missing(evidence: Evidence, placed: PlacedOrder) -> _Verdict:
    """Why an order that is to be delivered is not in the ERP."""
    known, age = evidence.known, evidence.now - placed.placed_at
    if reason := _not_carried(evidence, placed):
        return Explanation.NOT_CARRIED, reason, Repair.NONE
    if known.awaits_payment or known.awaits_release:
        return _waiting(evidence, placed)
    if known.waits_for:
        return Explanation.WAITS_FOR_PERSON, known.waits_for, Repair.NONE
    if known.webhook_waits:
        return Explanation.WEBHOOK_WAITS, "its webhook waits in the inbox", Repair.NONE
    if known.running and age < evidence.patience.longest:
        return Explanation.ON_ITS_WAY, "its workflow is at work", Repair.NONE
    if known.running:
        sentence = f"its workflow runs, but it is not in the ERP after {_long(age)}"
        return Explanation.STUCK, sentence, Repair.NONE
    if known.ended:
        sentence = "it was brought to its end, but the ERP does not hold it"
        return Explanation.GONE_FROM_ERP, sentence, Repair.NONE
    if evidence.is_young(placed.placed_at):
        return Explanation.ON_ITS_WAY, "placed just now", Repair.NONE
    if known.webhook_came or known.status is not None:
        return Explanation.LOST, "it is not in the ERP and no workflow carries it", Repair.START
    return Explanation.MISSED_WEBHOOK, "it is not in the ERP and no webhook told of it", Repair.START


def _waiting(evidence: Evidence, placed: PlacedOrder) -> _Verdict:
    """An order that waits for something in the storefront; where it changed since, that may have come, unheard."""
    known = evidence.known
    explanation, words = Explanation.AWAITS_RELEASE, "its goods may not leave yet"
    if known.awaits_payment:
        explanation, words = Explanation.AWAITS_PAYMENT, "the buyer has not paid yet"
    changed = known.noted_at is not None and placed.changed_at > known.noted_at
    if not changed or evidence.is_young(placed.changed_at) or known.webhook_waits:
        return explanation, words, Repair.NONE
    return explanation, f"it changed in the storefront since it was read so: {words}", Repair.START


def _not_carried(evidence: Evidence, placed: PlacedOrder) -> str:
    """Why nobody here is to carry the order; empty where somebody is."""
    known = evidence.known
    if placed.test:
        return "test order"
    if known.status is OrderStatus.IGNORED:
        return "nothing to deliver"
    unknown = known.status is None and not known.webhook_came and not known.running
    if unknown and evidence.ours_since is not None and placed.placed_at < evidence.ours_since:
        return "placed before Orderwright was put in charge of the channel"
    return ""


def _untold(evidence: Evidence, records: Sequence[ErpRecord], sentence: str) -> _Verdict:
    """Why the storefront does not show what left the house."""
    known = evidence.known
    if known.waits_for:
        return Explanation.WAITS_FOR_PERSON, known.waits_for, Repair.NONE
    if evidence.is_young(max(record.changed_at for record in records)):
        return Explanation.ON_ITS_WAY, sentence, Repair.NONE
    return Explanation.NOT_TOLD, sentence, _waking(known)


def _waking(known: Known) -> Repair:
    """How an order hears what the ERP did. One that was brought to its end hears nothing any more."""
    if known.running:
        return Repair.TELL
    return Repair.NONE if known.ended else Repair.START


def _named(records: Sequence[ErpRecord]) -> str:
    """``SO-7 and SO-9 (entered by hand)``."""
    names = [
        f"{record.number}{' (entered by hand)' if record.key is None else ''}"
        for record in sorted(records, key=lambda record: (record.key is None, record.erp_id))
    ]
    return " and ".join(names)


def _long(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    return f"{hours} hours" if hours < 48 else f"{hours // 24} days"  # noqa: PLR2004  two days and more are told in days

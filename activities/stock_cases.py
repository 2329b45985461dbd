"""What keeps a storefront from being told of stock becomes a case, once; the next push that works closes it.

No order waits in these cases. A flood (a storefront full of SKUs that the ERP does not have) is one case.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from sqlmodel import Session, col, select

from activities.stock_push import PushResult
from domain.cases import CaseReport, CaseState, case_key
from domain.cases import family as cause_family
from domain.connection import ERP_SYSTEM
from domain.stock import SettingOutcome, SettingState
from domain.stock_decision import Decision, Hindrance
from domain.stock_guides import STOCK_GUIDES
from store.case_tables import CaseRow, report_case, settle_case
from store.database import Database

MOST_CASES = 50
"""Open cases of one family and channel; what comes beyond that is one case."""

Subject = tuple[str, str]
"""Family of the cause, and the SKU or location that it is about."""

_OF_LOCATION = frozenset({Hindrance.LOCATION_UNMAPPED.value, "stock_location_unknown"})
_WORDS = {
    Hindrance.LOCATION_UNMAPPED: "[locations] of the mapping has no warehouse for it",
    Hindrance.PRODUCT_UNMAPPED: "[skus] of the mapping has no product for it",
    Hindrance.PRODUCT_UNKNOWN: "the ERP has no stock of it anywhere",
    Hindrance.NOT_TRACKED: "the storefront sells it without counting",
}
TWICE = "stock_sku_twice"
MANY = "stock_many"
ONE_REFUSED = "stock_refused"
ALL_REFUSED = "stock_all_refused"
LIST_REFUSED = "stock_list_refused"
FEED_REFUSED = "stock_feed_refused"
PRODUCT_REFUSED = "stock_erp_refused"


class StockCases:
    """The cases of all channels. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def note(self, channel: str, result: PushResult) -> None:
        """Open what a push found, and close what it shows to be over."""
        found = troubles(channel, result)
        known = self.open(channel)
        over = [each for each in known if each not in found and _is_over(each, result)]
        fresh = [each for each in found if each not in known]
        if not (over or fresh):
            return
        counts = Counter(family for family, _ in known)
        with self._db.write() as session:
            for each in over:
                settle_case(session, _cause(channel, each), "A push of it worked")
            for family, subject in fresh:
                counts[family] += 1
                if counts[family] > MOST_CASES:
                    _report_many(session, channel, family)
                else:
                    reason = found[family, subject]
                    cause = _cause(channel, (family, subject))
                    report_case(session, CaseReport(cause=cause, reason=reason))

    def compared(self, channel: str) -> None:
        """All of a channel was listed and compared: what had become too many is told anew by the next comparison."""
        self.over(channel, [(LIST_REFUSED, "")], "All of it was listed")
        counts = Counter(family for family, _ in self.open(channel))
        with self._db.write() as session:
            for family, subject in self.open(channel):
                if family == MANY and counts[subject] < MOST_CASES:
                    settle_case(session, _cause(channel, (family, subject)), "There are few of them now")

    def refused(self, system: str, family: str, sku: str, reason: str) -> None:
        """A system (a channel, or the ERP) refuses a SKU as a whole, or (no SKU) whatever it is asked or told."""
        known = self.open(system)
        many = (family, sku) not in known and sum(each == family for each, _ in known) >= MOST_CASES
        with self._db.write() as session:
            if many:
                _report_many(session, system, family)
            else:
                report_case(session, CaseReport(cause=_cause(system, (family, sku)), reason=reason))

    def over(self, system: str, subjects: Collection[Subject], resolution: str) -> None:
        """Close those of these cases that are open."""
        found = self.open(system).intersection(subjects)
        if found:
            with self._db.write() as session:
                for each in sorted(found):
                    settle_case(session, _cause(system, each), resolution)

    def open(self, channel: str) -> set[Subject]:
        """What open cases are about."""
        query = select(CaseRow.cause).where(
            CaseRow.state == CaseState.OPEN, col(CaseRow.cause).startswith("stock_", autoescape=True)
        )
        with self._db.read() as session:
            causes = [each.split(":", maxsplit=2) for each in session.exec(query).all()]
        return {
            (family, rest[1] if len(rest) > 1 else "") for family, *rest in causes if rest[:1] == [channel]
        }


def troubles(channel: str, result: PushResult) -> Mapping[Subject, str]:
    """What a push could not do, and why in plain words."""
    found: dict[Subject, str] = {}
    for decision in result.decisions:
        if decision.hindrance is not None:
            found.setdefault(*_hindered(channel, decision, decision.hindrance))
    for outcome in result.outcomes:
        if outcome.state is SettingState.REFUSED:
            found.setdefault(*_refused(channel, outcome))
    for sku in result.twice:
        words = f"{channel} has several items with the SKU {sku}; nobody can say which of them is meant."
        found[TWICE, sku] = words
    return found


def _hindered(channel: str, decision: Decision, hindrance: Hindrance) -> tuple[Subject, str]:
    shown = decision.shown
    if hindrance is Hindrance.LOCATION_UNMAPPED:
        what = f"Location {shown.location} of {channel} is not told of stock"
        return (hindrance.value, shown.location), f"{what} (of {shown.sku}, for one): {_WORDS[hindrance]}."
    what = f"{shown.sku} is not told to {channel}"
    return (hindrance.value, shown.sku), f"{what}: {_WORDS[hindrance]}."


def _refused(channel: str, outcome: SettingOutcome) -> tuple[Subject, str]:
    setting = outcome.setting
    family = f"stock_{cause_family(outcome.cause).removeprefix('stock_')}"
    if family not in STOCK_GUIDES:
        family = ONE_REFUSED
    subject = setting.location if family in _OF_LOCATION else setting.sku
    what = f"{setting.sku} at location {setting.location} of {channel} cannot be set to {setting.available}"
    return (family, subject), f"{what}: {outcome.reason}."


def _is_over(open_case: Subject, result: PushResult) -> bool:
    family, subject = open_case
    if family == ALL_REFUSED:
        return bool(result.decisions)
    if family == MANY:
        return False
    done = [each.setting for each in result.outcomes if each.state is SettingState.DONE]
    fine = {(each.shown.sku, each.shown.location) for each in result.decisions if _is_fine(each)}
    fine |= {(each.sku, each.location) for each in done}
    if family in _OF_LOCATION:
        hindered = family == Hindrance.LOCATION_UNMAPPED.value
        places = {location for _, location in fine} if hindered else {each.location for each in done}
        return subject in places
    # Of a SKU at several locations one may be refused and another fine: then it is among the troubles, not over.
    return subject in result.gone or any(sku == subject for sku, _ in fine)


def _is_fine(decision: Decision) -> bool:
    return decision.hindrance is None and not decision.is_change


def _cause(channel: str, subject: Subject) -> str:
    family, about = subject
    return case_key(f"{family}:{channel}:{about}")


def _report_many(session: Session, channel: str, family: str) -> None:
    words = family.removeprefix("stock_").replace("_", " ")
    told = "the ERP" if channel == ERP_SYSTEM else channel
    reason = (
        f"More than {MOST_CASES} SKUs of {told} have the same trouble ({words}). The cases name the first of them; "
        "of any other, its stock tells (orderwright stock why SKU)."
    )
    report_case(session, CaseReport(cause=_cause(channel, (MANY, family)), reason=reason))

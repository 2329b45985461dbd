"""Drills on a user's own staging: rules at the proxies for some minutes, while the user's own orders travel."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from config.settings import Settings
from domain.completeness import Explanation, Finding, Flow, Standing
from domain.connection import ERP_SYSTEM, called
from domain.order import Fulfillment, OrderKey
from sandbox.drills.carrying import longest
from sandbox.drills.drill import Ground, Log, Wish, reported
from sandbox.drills.erp_down import ErpDown
from sandbox.drills.expired_sessions import (
    TOKEN_REFUSED,
    ExpiredSessions,
    check_renewed_once,
    sessions_expire,
)
from sandbox.drills.lost_answers import LostAnswers, answers_lost
from sandbox.drills.outage import AWAY, Outage, check_calls
from sandbox.drills.run import DIRECTORY, conclude
from sandbox.drills.staging import Staging, at_staging, going_wrong, make_ready
from sandbox.drills.storefront_down import StorefrontDown
from sandbox.drills.throttle import Throttle, check_left_alone, limited_by_chance, throttled_by_chance
from sandbox.failures import StagingRefused
from sandbox.faults.call_log import Call
from sandbox.faults.rules import Rule
from sandbox.stack import Say
from store.certificates import Certificate

USUAL_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 1.0
HEARD: Final = timedelta(seconds=8)
"""An order that is on its way for so long has met the outage, and says so."""
LATE_WEBHOOK: Final = timedelta(minutes=10)
"""An order placed so long before is an old one that goes on in a new run of its workflow."""
ASKED, READ_BACK = 10, 100
"""Orders that are asked what they wait for, and orders read back from their storefronts, at most."""


@dataclass(frozen=True)
class Spoiled:
    """What reached one system while the rules were in force."""

    system: str
    began: datetime
    ended: datetime
    calls: Sequence[Call]

    @property
    def struck(self) -> int:
        """Calls that went wrong."""
        return sum(call.fault is not None for call in self.calls)


Unexplained = Mapping[tuple[Flow, OrderKey, Explanation], Finding]
Rules = Callable[[int], tuple[Rule, ...]]
"""The rules for a seed; none: the system is left alone."""


def _nothing(_seed: int) -> tuple[Rule, ...]:
    return ()


def _away(_seed: int) -> tuple[Rule, ...]:
    return (AWAY,)


def _check_away(log: Log, spoiled: Spoiled) -> None:
    check_calls(log, Outage(spoiled.began, spoiled.ended, spoiled.struck), called(spoiled.system))


def _check_renewed(log: Log, spoiled: Spoiled) -> None:
    if spoiled.system == ERP_SYSTEM:
        check_renewed_once(log, called(spoiled.system), spoiled.calls)


def _check_pause(log: Log, spoiled: Spoiled) -> None:
    if spoiled.system == ERP_SYSTEM:
        check_left_alone(log, called(spoiled.system), spoiled.calls)


def _check_nothing_more(_log: Log, _spoiled: Spoiled) -> None:
    pass


@dataclass(frozen=True)
class StagingDrill:
    """What goes wrong at the ERP and at every storefront, and what the drill is about besides the promises."""

    name: str
    summary: str
    erp: Rules = _nothing
    storefront: Rules = _nothing
    check: Callable[[Log, Spoiled], None] = _check_nothing_more
    outage: bool = False
    ground = Ground.STAGING

    def rules(self, system: str, seed: int) -> tuple[Rule, ...]:
        """The rules at the proxy of a system."""
        return self.erp(seed) if system == ERP_SYSTEM else self.storefront(seed)


STAGING_DRILLS: Final[Mapping[str, StagingDrill]] = {
    drill.name: drill
    for drill in (
        StagingDrill(ErpDown.name, ErpDown.summary, erp=_away, check=_check_away, outage=True),
        StagingDrill(
            StorefrontDown.name,
            "every storefront's API is away",
            storefront=_away,
            check=_check_away,
            outage=True,
        ),
        StagingDrill(LostAnswers.name, LostAnswers.summary, erp=answers_lost, storefront=answers_lost),
        StagingDrill(
            ExpiredSessions.name,
            ExpiredSessions.summary,
            erp=lambda seed: (sessions_expire(seed),),
            storefront=lambda _seed: (TOKEN_REFUSED,),
            check=_check_renewed,
        ),
        StagingDrill(
            Throttle.name,
            Throttle.summary,
            erp=lambda seed: (limited_by_chance(seed),),
            storefront=lambda seed: (throttled_by_chance(seed),),
            check=_check_pause,
        ),
    )
}


async def run_on_staging(
    drills: Sequence[StagingDrill],
    wish: Wish,
    settings: Settings,
    url: str,
    *,
    say: Say,
    directory: Path = DIRECTORY,
) -> int:
    """Run drills one after the other, write the reports, say the verdict; exit status 0 only where everything held.

    ``url`` is the control address of the proxies. Raises StagingRefused, before anything was done.
    """
    async with at_staging(settings, url) as staging:
        targets = {drill.name: _targets(drill, staging, wish.seed) for drill in drills}
        systems = sorted({system for each in targets.values() for system in each})
        known = _unexplained(await make_ready(staging, systems, say))
        reports = []
        for drill in drills:
            run = _Run(staging, drill, targets[drill.name], wish.seconds(USUAL_SECONDS, 60.0), say, known)
            report = await reported(drill, run.run, say)
            reports.append(report)
            known = {**known, **run.known}
        return conclude(reports, say, directory)


def _targets(drill: StagingDrill, staging: Staging, seed: int) -> dict[str, tuple[Rule, ...]]:
    """The rules by system. Raises StagingRefused where none of the drill's systems has a proxy."""
    rules = {system: drill.rules(system, seed) for system in sorted(staging.proxied)}
    rules = {system: each for system, each in rules.items() if each}
    if not rules:
        which = "the ERP" if drill.storefront is _nothing else "a storefront"
        raise StagingRefused(
            f"{drill.name} needs a proxy before {which}, and the settings lead to none of those told of there;"
            " start one with orderwright faults serve and point the URL at it (docs/drills.md)"
        )
    return rules


@dataclass
class _Run:
    """One drill under way."""

    staging: Staging
    drill: StagingDrill
    rules: Mapping[str, tuple[Rule, ...]]
    seconds: float
    say: Say
    known: Unexplained
    """What nobody could explain before."""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    seen: dict[OrderKey, datetime] = field(default_factory=dict)
    """Orders that came by, and when each was seen first."""
    passed: set[OrderKey] = field(default_factory=set)
    """Orders on the list that the drill is not about."""

    async def run(self, log: Log) -> None:
        """Let it go wrong, wait for every order, count, and look what must hold."""
        self.began = datetime.now(UTC)
        await self._pass_over_the_settled()
        marks = {system: await self._number(system) for system in self.rules}
        async with going_wrong(self.staging, self.rules, self.seconds, self.say):
            names = " and ".join(map(called, self.rules))
            log.did(f"{self.drill.name} at {names} for {self.seconds:.0f} s, while orders come by")
            waiting, telling = await self._watch()
            ended = datetime.now(UTC)
            spoiled = [
                Spoiled(
                    system,
                    self.began,
                    ended,
                    await self.staging.faults.log(self.staging.proxied[system], number),
                )
                for system, number in marks.items()
            ]
        log.did("the rules are lifted")
        log.number("orders that came by", len(self.seen))
        struck = {each.system: each.struck for each in spoiled}
        log.check(
            "calls went wrong indeed",
            any(struck.values()),
            ", ".join(f"{called(system)} {count}" for system, count in struck.items()),
        )
        for each in spoiled:
            self.drill.check(log, each)
        if self.drill.outage:
            log.check(
                "an order that waits says what is away and since when",
                0 < waiting == telling,
                f"{telling} of {waiting} orders asked in the Temporal UI's way"
                if waiting
                else "no order waited: nothing is proved; place orders while the drill runs",
            )
        await self._until_settled(log)
        await self._look_at_both(log)

    async def _watch(self) -> tuple[int, int]:
        """Watch until the time is over; how many orders that waited were asked then, and how many said why."""
        told, parts = 0, 4
        while (so_far := (datetime.now(UTC) - self.began).total_seconds()) < self.seconds:
            await self._look()
            if int(so_far / self.seconds * parts) > told:
                told += 1
                self.say(f"    {so_far:.0f} of {self.seconds:.0f} s, {len(self.seen)} orders came by")
            await asyncio.sleep(min(LOOK_SECONDS, self.seconds - so_far))
        await self._look()
        return await self._ask() if self.drill.outage else (0, 0)

    async def _pass_over_the_settled(self) -> None:
        """What is in the ERP before anything goes wrong; Temporal's own list learns of it only with the next state."""
        before = await self.staging.on_their_way(self.began)
        rows = await self.staging.rows(before)
        self.passed |= {key for key in before if key in rows and rows[key].erp_number}

    async def _look(self) -> None:
        """Note who is on their way now."""
        now = datetime.now(UTC)
        new = await self.staging.on_their_way(self.began) - self.seen.keys() - self.passed
        rows = await self.staging.rows(new)
        for key in new:
            row = rows.get(key)
            placed = row.placed_at if row is not None and row.erp_number else None
            if placed is not None and placed < self.began - LATE_WEBHOOK:
                self.passed.add(key)
            else:
                self.seen[key] = now

    async def _ask(self) -> tuple[int, int]:
        """Ask orders that wait what for: how many were asked, and how many named the system that is away."""
        now = datetime.now(UTC)
        met = [
            key for key, at in self.seen.items() if now - at >= HEARD and self._system_of(key) in self.rules
        ]
        waiting = sorted(await self.staging.unsettled(met), key=str)
        asked = waiting[:: max(1, len(waiting) // ASKED)]
        words = [f"{called(self._system_of(key))} is away since" for key in asked]
        told = await asyncio.gather(*(self.staging.told(key) for key in asked))
        return len(asked), sum(word in text for word, text in zip(words, told, strict=True))

    def _system_of(self, key: OrderKey) -> str:
        """Which system the order waits for."""
        return ERP_SYSTEM if ERP_SYSTEM in self.rules else key.channel

    async def _until_settled(self, log: Log) -> None:
        """Wait until every order that came by is in the ERP or says by itself what is wrong."""
        began, left = datetime.now(UTC), dict[OrderKey, str]()
        while True:
            await self._look()
            left = await self.staging.unsettled(self.seen)
            away = await self.staging.away(self.rules)
            waited = (datetime.now(UTC) - began).total_seconds()
            if not (left or away) or waited > longest(len(self.seen)):
                break
            await asyncio.sleep(LOOK_SECONDS)
        log.number("seconds until all were settled", waited)
        log.check("every system is back", not away, "; ".join(each.reason for each in away) or "none is away")
        rows = await self.staging.rows(self.seen)
        named = sum(bool(row.problem) for row in rows.values())
        log.number("orders with a problem of their own", named)
        seen = f"{len(self.seen) - len(left)} of {len(self.seen)} orders, {named} with a problem"
        log.check(
            "every order that came by is in the ERP, or says by itself what is wrong",
            bool(self.seen) and not left,
            (seen if self.seen else "no order came by: nothing is proved; place orders while the drill runs")
            + "".join(f"; {key}: {words}" for key, words in list(left.items())[:5]),
        )

    async def _look_at_both(self, log: Log) -> None:
        """A sweep over the time of the drill, and what its certificates say."""
        hours = (datetime.now(UTC) - self.began + timedelta(minutes=1)).total_seconds() / 3600
        certificates = await self.staging.sweep(hours)
        found = _unexplained(certificates)
        new = [finding for key, finding in found.items() if key not in self.known]
        sentences = [f"{each.channel}: {each.tally.sentence}" for each in certificates]
        before = len(found) - len(new)
        self.known = found
        old = f"; {before} were unexplained before" if before else ""
        log.did("a sweep counted the orders on both sides")
        log.check(
            "no order is lost: the certificates explain every one",
            bool(certificates) and not new,
            "; ".join([*sentences, *(f"{each.number}: {each.sentence}" for each in new[:3])]) + old,
        )
        twice = [
            each
            for each in new
            if each.explanation in {Explanation.TWICE_IN_ERP, Explanation.ENTERED_BY_HAND}
        ]
        shown = sorted((key for key in self.seen if key.channel in self.staging.proxied), key=str)[:READ_BACK]
        parcels = sum(doubled(each.fulfillments) for each in await self.staging.read_orders(shown))
        log.check(
            "nothing is there twice",
            not twice and not parcels,
            f"{len(twice)} orders too many in the ERP, {parcels} fulfillments in {len(shown)} orders read back",
        )

    async def _number(self, system: str) -> int:
        return (await self.staging.faults.counts(self.staging.proxied[system])).calls


def doubled(fulfillments: Collection[Fulfillment]) -> int:
    """Fulfillments that tell of the same parcel as another one."""
    told = {
        (each.location, each.tracking_number, tuple(sorted((x.line_id, x.quantity) for x in each.lines)))
        for each in fulfillments
    }
    return len(fulfillments) - len(told)


def _unexplained(certificates: Collection[Certificate]) -> Unexplained:
    return {
        (finding.flow, finding.key, finding.explanation): finding
        for each in certificates
        for finding in each.tally.findings
        if finding.standing is Standing.UNEXPLAINED
    }

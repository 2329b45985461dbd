"""Telling a storefront what can be sold: read what it shows, decide, grant, set with compare-and-set, write down.

What is read first is believed last: open orders are counted before the storefront is asked, and again after, and the
smaller number holds. An order that came in between then counts as one that we have not heard of.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

from sqlmodel import Session

from adapters.ports import MappingSource, StorefrontPort
from domain.claims import NOWHERE
from domain.mapping import Mapping as FieldMapping
from domain.mapping import Unmapped
from domain.model import Frozen
from domain.stock import SettingOutcome, SettingState, ShownStock, StockSetting
from domain.stock_decision import Decision
from domain.stock_rules import StockRules
from store.database import Database
from store.drift import note_closed, note_drift
from store.shown import (
    KnownOpen,
    Level,
    PlaceFacts,
    decided,
    facts_of,
    grant,
    known_open,
    lock_products,
    note_not_set,
    note_seen,
    note_set,
)


class Reading(NamedTuple):
    """What a storefront shows, read since ``at``; ``known`` was counted before that."""

    shown: Sequence[ShownStock]
    known: KnownOpen
    at: datetime


class PushResult(Frozen):
    """What became of a push: a decision a level, and what the storefront said of those that were set."""

    decisions: tuple[Decision, ...] = ()
    outcomes: tuple[SettingOutcome, ...] = ()

    def skus(self, state: SettingState) -> set[str]:
        """SKUs of which a level came to this."""
        return {each.setting.sku for each in self.outcomes if each.state is state}


class StockPusher:
    """Tells one channel. ``rules`` are those of every channel of the ERP that is told of stock."""

    def __init__(
        self, channel: str, storefront: StorefrontPort, mappings: MappingSource, database: Database
    ) -> None:
        self._channel = channel
        self._storefront = storefront
        self._mappings = mappings
        self._db = database

    async def push(
        self,
        skus: Sequence[str],
        rules: Mapping[str, StockRules],
        since: Mapping[str, datetime] | None = None,
    ) -> PushResult:
        """Bring what the channel shows of these SKUs to what can be sold.

        At most ``MOST_STOCK`` SKUs; ``since`` tells when the change of each came, for the drift report. A stale level
        stays as it is, for another push. Raises any leaf of ``adapters.errors``, and DatabaseUnavailable.
        """
        known = await asyncio.to_thread(self.known, skus)
        at = datetime.now(UTC)
        shown = await self._storefront.read_stock(skus)
        return await self.push_reading(Reading(shown=shown, known=known, at=at), rules, since or {})

    async def push_reading(
        self, reading: Reading, rules: Mapping[str, StockRules], since: Mapping[str, datetime]
    ) -> PushResult:
        """``push`` of what was read already."""
        mapping = await asyncio.to_thread(self._mappings.current, self._channel)
        decisions = await asyncio.to_thread(self._decide, reading, mapping, rules, since)
        settings = [_setting(each) for each in decisions if each.is_change]
        outcomes: tuple[SettingOutcome, ...] = ()
        if settings:
            outcomes = await self._storefront.set_stock(settings, uuid4().hex)
            await asyncio.to_thread(self._write_down, outcomes)
        return PushResult(decisions=decisions, outcomes=outcomes)

    def known(self, skus: Collection[str]) -> KnownOpen:
        """Units of open orders that we know of. To be called before a reading."""
        with self._db.read() as session:
            return known_open(session, [(self._channel, sku) for sku in skus])

    def facts(
        self, session: Session, levels: Sequence[Level], rules: Mapping[str, StockRules]
    ) -> tuple[PlaceFacts, ...]:
        """What is known of these levels, to decide by."""
        return facts_of(session, self._channel, levels, rules)

    def _decide(
        self,
        reading: Reading,
        mapping: FieldMapping,
        rules: Mapping[str, StockRules],
        since: Mapping[str, datetime],
    ) -> tuple[Decision, ...]:
        at, levels = reading.at, [level_in(mapping, each) for each in reading.shown]
        with self._db.write() as session:
            lock_products(session, {level.product for level in levels} - {NOWHERE})
            note_seen(session, self._channel, levels, at)
            found = self.facts(session, levels, rules)
            decisions = tuple(decided(each, rules[self._channel], at.date(), reading.known) for each in found)
            wanted = {
                (each.shown.sku, each.shown.location): each.available or 0
                for each in decisions
                if each.is_change
            }
            grant(session, self._channel, wanted, at)
            note_drift(session, self._channel, decisions, since, at)
        return decisions

    def _write_down(self, outcomes: Sequence[SettingOutcome]) -> None:
        now = datetime.now(UTC)
        done = {_place(each): each.setting.available for each in outcomes if each.state is SettingState.DONE}
        not_done = {_place(each): each.reason for each in outcomes if each.state is not SettingState.DONE}
        with self._db.write() as session:
            note_set(session, self._channel, done, now)
            note_closed(session, self._channel, done, now)
            note_not_set(session, self._channel, not_done)


def told_channels(mappings: MappingSource, channels: Iterable[str]) -> dict[str, StockRules]:
    """The rules of those channels that are told of stock."""
    rules = {channel: mappings.current(channel).stock for channel in channels}
    return {channel: each for channel, each in rules.items() if each.push}


def level_in(mapping: FieldMapping, shown: ShownStock) -> Level:
    """A level with its product and warehouse; ``NOWHERE`` for what is not mapped."""
    try:
        product = mapping.product(shown.sku)
    except Unmapped:
        product = NOWHERE
    return Level(shown=shown, product=product, warehouse=mapping.locations.get(shown.location, NOWHERE))


def _setting(decision: Decision) -> StockSetting:
    assert decision.available is not None
    shown = decision.shown
    return StockSetting(
        sku=shown.sku,
        item_id=shown.item_id,
        location=shown.location,
        available=decision.available,
        change_from=shown.available,
    )


def _place(outcome: SettingOutcome) -> tuple[str, str]:
    return outcome.setting.sku, outcome.setting.location

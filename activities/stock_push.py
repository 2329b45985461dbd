"""Telling a storefront what can be sold: read what it shows, decide, grant, set with compare-and-set, write down.

What is read first is believed last: open orders are counted before the storefront is asked, and again after, and the
smaller number holds. An order that came in between then counts as one that we have not heard of.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

from sqlmodel import Session

from adapters.errors import Conflict, OutcomeUnknown, RateLimited, Rejected, SessionExpired, Unavailable
from adapters.ports import MappingSource, StorefrontPort
from adapters.stock_ports import MOST_STOCK
from domain.claims import NOWHERE
from domain.mapping import Mapping as FieldMapping
from domain.mapping import Unmapped
from domain.model import Frozen
from domain.stock import SettingOutcome, SettingState, ShownStock, StockSetting
from domain.stock_decision import Decision
from domain.stock_rules import StockRules
from store.database import Database
from store.drift import note_closed, note_drift
from store.errors import DatabaseUnavailable
from store.shown import Level, Place, doubtful, grant, note_not_set, note_seen, note_set
from store.stock_facts import KnownOpen, PlaceFacts, decided, facts_of, known_open, lock_products
from store.stock_listing import forget_gone, products_of
from store.stock_marks import mark_products


class Reading(NamedTuple):
    """What a storefront shows, read since ``at``; ``known`` was counted before that.

    ``asked`` are SKUs that it is all of: what is not in it the storefront does not have.
    """

    shown: Sequence[ShownStock]
    known: KnownOpen
    at: datetime
    asked: Collection[str] = ()


class _Terms(NamedTuple):
    """What a push is decided by."""

    mapping: FieldMapping
    rules: Mapping[str, StockRules]
    since: Mapping[str, datetime]
    raises: bool


class PushResult(Frozen):
    """What became of a push: a decision a level, and what the storefront said of those that were set."""

    decisions: tuple[Decision, ...] = ()
    outcomes: tuple[SettingOutcome, ...] = ()
    held: tuple[str, ...] = ()
    """SKUs that are to show more, which is not allowed yet."""
    twice: tuple[str, ...] = ()
    """SKUs that several items of the storefront carry; nothing is decided of them."""
    gone: tuple[str, ...] = ()
    """SKUs that were asked for and that the storefront does not have."""

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
        *,
        raises: bool = True,
    ) -> PushResult:
        """Bring what the channel shows of these SKUs to what can be sold; without ``raises`` only down to it.

        At most ``MOST_STOCK`` SKUs; ``since`` tells when the change of each came, for the drift report. A stale level
        stays as it is, for another push. Raises any leaf of ``adapters.errors``, and DatabaseUnavailable.
        """
        known = await asyncio.to_thread(self.known, skus)
        at = datetime.now(UTC)
        shown = await self._storefront.read_stock(skus)
        reading = Reading(shown=shown, known=known, at=at, asked=skus)
        return await self.push_reading(reading, rules, since or {}, raises=raises)

    async def push_reading(
        self,
        reading: Reading,
        rules: Mapping[str, StockRules],
        since: Mapping[str, datetime],
        *,
        raises: bool = True,
    ) -> PushResult:
        """``push`` of what was read already."""
        twice = _carried_twice(reading.shown)
        if twice:
            reading = reading._replace(shown=[each for each in reading.shown if each.sku not in twice])
        mapping = await asyncio.to_thread(self._mappings.current, self._channel)
        terms = _Terms(mapping, rules, since, raises)
        decisions, doubted = await asyncio.to_thread(self._decide, reading, twice, terms)
        outcomes: list[SettingOutcome] = []
        settings = []
        for setting in (_setting(each) for each in decisions if _is_set(each, raises)):
            if setting.available > setting.change_from and _place_of(setting) in doubted:
                outcomes.append(SettingOutcome(setting=setting, state=SettingState.STALE))
            else:
                settings.append(setting)
        for start in range(0, len(settings), MOST_STOCK):
            some = settings[start : start + MOST_STOCK]
            answers = await self._set_and_checked(some, reading)
            await asyncio.to_thread(self._write_down, answers, reading.at)
            outcomes += answers
        return PushResult(
            decisions=decisions,
            outcomes=tuple(outcomes),
            held=() if raises else tuple(sorted({each.shown.sku for each in decisions if each.raises})),
            twice=tuple(sorted(twice)),
            gone=tuple(sorted({*reading.asked} - {each.sku for each in reading.shown} - twice)),
        )

    def known(self, skus: Collection[str]) -> KnownOpen:
        """Units of open orders that we know of. To be called before a reading."""
        with self._db.read() as session:
            return known_open(session, [(self._channel, sku) for sku in skus])

    def facts(
        self, session: Session, levels: Sequence[Level], rules: Mapping[str, StockRules]
    ) -> tuple[PlaceFacts, ...]:
        """What is known of these levels, to decide by."""
        return facts_of(session, self._channel, levels, rules)

    async def _set_and_checked(
        self, settings: Sequence[StockSetting], reading: Reading
    ) -> tuple[SettingOutcome, ...]:
        """Set them. A storefront that does not compare by itself is read just before, and once more afterwards.

        What a buyer took in between such a storefront forgets: its orders hold more then, and the number is stale.
        """
        if self._storefront.capabilities.compare_and_set:
            return await self._set(settings, reading.at)
        decided_on = {_place_of(each): each for each in reading.shown}
        now = await self._shown_of(settings)
        same = [each for each in settings if now.get(_place_of(each)) == decided_on[_place_of(each)]]
        answers = {each.setting: each for each in await self._set(same, reading.at)} if same else {}
        then = await self._shown_of(same)
        outcomes = []
        for setting in settings:
            place = _place_of(setting)
            answer = answers.get(setting)
            as_set = decided_on[place].model_copy(update={"available": setting.available})
            if answer is None or (answer.state is SettingState.DONE and then.get(place) != as_set):
                answer = SettingOutcome(setting=setting, state=SettingState.STALE)
            outcomes.append(answer)
        return tuple(outcomes)

    async def _shown_of(self, settings: Sequence[StockSetting]) -> dict[Place, ShownStock]:
        skus = sorted({each.sku for each in settings})
        shown = await self._storefront.read_stock(skus) if skus else ()
        return {_place_of(each): each for each in shown}

    async def _set(self, settings: Sequence[StockSetting], since: datetime) -> tuple[SettingOutcome, ...]:
        """Set them; one whose answer got lost is sent again as the same call, which does nothing twice."""
        key = uuid4().hex
        try:
            return await self._storefront.set_stock(settings, key)
        except OutcomeUnknown:
            return await self._storefront.set_stock(settings, key)
        except (Unavailable, RateLimited, SessionExpired, Conflict, Rejected):
            # It did not happen and will not: nobody has to wait for it.
            with suppress(DatabaseUnavailable):
                await asyncio.to_thread(self._not_done, settings, since)
            raise

    def _not_done(self, settings: Sequence[StockSetting], since: datetime) -> None:
        with self._db.write() as session:
            places = {_place_of(each): "" for each in settings}
            note_not_set(session, self._channel, places, since)

    def _decide(
        self, reading: Reading, twice: Collection[str], terms: _Terms
    ) -> tuple[tuple[Decision, ...], set[Place]]:
        """The decisions, and the places that an earlier call may still set."""
        mapping, rules, since, raises = terms
        at, levels = reading.at, [level_in(mapping, each) for each in reading.shown]
        with self._db.write() as session:
            lock_products(session, {level.product for level in levels} - {NOWHERE})
            note_seen(session, self._channel, levels, at)
            asked = {*reading.asked}.difference(twice)
            if asked:
                forget_gone(session, self._channel, asked, at)
            found = self.facts(session, levels, rules)
            decisions = tuple(decided(each, rules[self._channel], at.date(), reading.known) for each in found)
            doubted = doubtful(session, self._channel, {level.shown.sku for level in levels}, at)
            wanted = {
                place: each.available or 0
                for place, each in ((_place_of(each.shown), each) for each in decisions)
                if _is_set(each, raises) and not (each.raises and place in doubted)
            }
            grant(session, self._channel, wanted, at)
            note_drift(session, self._channel, decisions, since, at, asked=asked)
        return decisions, doubted

    def _write_down(self, outcomes: Sequence[SettingOutcome], since: datetime) -> None:
        now = datetime.now(UTC)
        done = {
            _place_of(each.setting): each.setting.available
            for each in outcomes
            if each.state is SettingState.DONE
        }
        not_done = {
            _place_of(each.setting): each.reason for each in outcomes if each.state is not SettingState.DONE
        }
        with self._db.write() as session:
            note_set(session, self._channel, done, since, now)
            note_closed(session, self._channel, done, now)
            note_not_set(session, self._channel, not_done, since)
            # What one channel shows less, the others may show.
            mark_products(session, _freed(session, self._channel, outcomes), but=self._channel)


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


def _is_set(decision: Decision, raises: bool) -> bool:
    return decision.is_change and (raises or not decision.raises)


def _carried_twice(shown: Sequence[ShownStock]) -> set[str]:
    """SKUs that several items carry: of which of them is told, nobody can say."""
    items: dict[str, str] = {}
    return {each.sku for each in shown if items.setdefault(each.sku, each.item_id) != each.item_id}


def _freed(session: Session, channel: str, outcomes: Sequence[SettingOutcome]) -> set[str]:
    """Products of which fewer are shown now."""
    lowered = {
        each.setting.sku
        for each in outcomes
        if each.state is SettingState.DONE and each.setting.available < each.setting.change_from
    }
    return products_of(session, channel, lowered) if lowered else set()


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


def _place_of(level: ShownStock | StockSetting) -> Place:
    return level.sku, level.location

"""One page of a sweep: orders of both systems' lists are judged together, and repaired where that is possible."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from activities.contracts import CompareOrders, SweepPhase, SweepProgress
from activities.sweep_knowledge import SweepKnowledge
from adapters.ports import MOST_FOUND, ErpPort, StorefrontPort
from domain.certificate import SweepWindow
from domain.completeness import Evidence, Finding, Patience, judge_order, judge_shipments
from domain.listings import ErpRecord, OrderName, PlacedOrder
from domain.order import OrderKey

Item = TypeVar("Item")


class Comparison:
    """One page of one phase."""

    def __init__(  # noqa: PLR0917  ports, and what is asked
        self,
        storefront: StorefrontPort,
        erp: ErpPort,
        knowledge: SweepKnowledge,
        patience: Patience,
        request: CompareOrders,
        progress: SweepProgress,
    ) -> None:
        self._storefront = storefront
        self._erp = erp
        self._knowledge = knowledge
        self._patience = patience
        self._sweep_id = request.sweep_id
        self._now = request.now
        self._progress = progress
        self._channel = progress.channel

    async def next_page(self) -> SweepProgress:
        """Compare it, repair what can be, and say where to go on."""
        match self._progress.phase:
            case SweepPhase.LISTED:
                return await self._listed()
            case SweepPhase.CHANGED:
                return await self._changed()
            case _:
                return await self._left()

    async def _listed(self) -> SweepProgress:
        """Orders placed in the window, and those the storefront changed: each is in the ERP, or has a reason."""
        progress = self._progress
        window, known = progress.window, set(progress.listed)
        page = await self._storefront.list_changed(window.since, progress.cursor)
        # An order comes again when it changes while the list is read; what was placed later is the next sweep's.
        new = [o for o in page.orders if o.external_id not in known and o.placed_at < window.before]
        orders = progress.orders
        for some in _chunks(new):
            placed = {order.external_id: order for order in some}
            evidence = await self._evidence(placed, await self._records([_name(order) for order in some]))
            of_window = [e for e in evidence.values() if _within(window, placed[e.key.external_id])]
            earlier = [e for e in evidence.values() if not _within(window, placed[e.key.external_id])]
            orders = orders.add(await self._orders(of_window))
            orders = orders.add(await self._orders(earlier), of_window=False)
        listed = (*progress.listed, *(order.external_id for order in new if _within(window, order)))
        return self._at(SweepPhase.CHANGED, page.next_cursor, orders=orders, listed=listed)

    async def _changed(self) -> SweepProgress:
        """What the ERP changed since the window began: shipments to be told, and what only the ERP has."""
        page = await self._erp.list_records(self._channel, self._progress.window.since, self._progress.cursor)
        ours = {record.key.external_id: record.reference for record in page.records if record.key}
        by_hand = {record.reference for record in page.records if record.key is None}
        known = await self._knowledge.numbered(self._channel, by_hand)
        # An order is counted on the page of its own record, once, though a copy of it may stand on another.
        copies = {each: number for number, each in known.items() if each not in ours}
        following = self._at(SweepPhase.LEFT, page.next_cursor)
        following = await self._judged(ours, following, counted=True)
        return await self._judged(copies, following, counted=False)

    async def _left(self) -> SweepProgress:
        """What earlier sweeps did not settle."""
        some, rest = self._progress.left[:MOST_FOUND], self._progress.left[MOST_FOUND:]
        phase = SweepPhase.LEFT if rest else SweepPhase.DONE
        following = self._progress.model_copy(update={"phase": phase, "left": rest})
        return await self._judged(dict.fromkeys(some, ""), following, counted=False)

    async def _judged(
        self, names: Mapping[str, str], following: SweepProgress, *, counted: bool
    ) -> SweepProgress:
        """Judge orders named by the ERP or by an earlier sweep; those placed in the window are counted already."""
        orders, shipments, listed = following.orders, following.shipments, set(following.listed)
        for some in _chunks(tuple(names)):
            placed = {order.external_id: order for order in await self._storefront.find_orders(some)}
            asked = [
                _name(placed[each]) if each in placed else OrderName(external_id=each, number=names[each])
                for each in some
            ]
            evidence = await self._evidence(placed, await self._records(asked))
            earlier = [
                e
                for e in evidence.values()
                if e.key.external_id not in listed
                and (e.placed is None or e.placed.placed_at < self._progress.window.before)
            ]
            orders = orders.add(await self._orders(earlier), of_window=False)
            shipments = shipments.add(await self._shipments(evidence.values()), of_window=counted)
        return following.model_copy(update={"orders": orders, "shipments": shipments})

    async def _records(self, names: Sequence[OrderName]) -> dict[str, list[ErpRecord]]:
        """Every record of these orders, by external id."""
        by_number = {name.number: name.external_id for name in names if name.number}
        found: dict[str, list[ErpRecord]] = {name.external_id: [] for name in names}
        for record in await self._erp.find_records(self._channel, names):
            external_id = record.key.external_id if record.key else by_number.get(record.reference, "")
            if external_id in found:
                found[external_id].append(record)
        return found

    async def _orders(self, evidence: Iterable[Evidence]) -> list[Finding]:
        return [await self._knowledge.repair(judge_order(each), self._sweep_id) for each in evidence]

    async def _shipments(self, evidence: Iterable[Evidence]) -> list[Finding]:
        judged = map(judge_shipments, evidence)
        return [await self._knowledge.repair(finding, self._sweep_id) for finding in judged if finding]

    async def _evidence(
        self, placed: Mapping[str, PlacedOrder], records: Mapping[str, list[ErpRecord]]
    ) -> dict[str, Evidence]:
        """All there is to judge each order of ``records`` by; what we know of it only where that matters."""
        progress = self._progress
        totals = await self._knowledge.totals(self._channel, records)
        evidence = {
            external_id: Evidence(
                key=OrderKey(channel=self._channel, external_id=external_id),
                placed=placed.get(external_id),
                records=tuple(found),
                known_total=totals.get(external_id),
                ours_since=min(progress.began, progress.window.since),
                now=self._now,
                patience=self._patience,
            )
            for external_id, found in records.items()
        }
        unsettled = [each.key for each in evidence.values() if each.needs_knowledge]
        known = await self._knowledge.of(unsettled, progress.repaired)
        return {
            external_id: each.model_copy(update={"known": known[each.key]}) if each.key in known else each
            for external_id, each in evidence.items()
        }

    def _at(self, following: SweepPhase, cursor: str | None, **changes: object) -> SweepProgress:
        """The next page of this phase, or the first of the following one."""
        phase = self._progress.phase if cursor else following
        return self._progress.model_copy(update={"phase": phase, "cursor": cursor, **changes})


def _name(order: PlacedOrder) -> OrderName:
    return OrderName(external_id=order.external_id, number=order.number)


def _within(window: SweepWindow, order: PlacedOrder) -> bool:
    return window.since <= order.placed_at < window.before


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), MOST_FOUND):
        yield items[start : start + MOST_FOUND]

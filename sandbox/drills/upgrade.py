"""A new version of the workers comes while orders are under way: both run side by side, then the old one goes."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import WorkflowHistory

from domain.status import OrderStatus
from sandbox.drills.carrying import carry, longest, look_at_both, small_orders
from sandbox.drills.changed_worker import PATCH
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.drills.stopped import check_resolved, open_cases, solve_once, until_stopped
from sandbox.house import House, workflow_id
from sandbox.stack import WORKER
from workers.versions import make_current

OLD: Final = "old"
NEW: Final = "new"
CHANGED: Final = ("sandbox.drills.changed_worker",)
GROUPS: Final = 6
"""Shipped in part, waiting for the warehouse, on hold, stopped by a problem; placed while both run, and later."""


@dataclass(frozen=True)
class Upgrade:
    """Implements ``Drill``.

    The new workers run our code with one step more behind a patch. Where ``Wish.old_code`` names the checkout of an
    earlier release, the old ones run that and the new ones our code as it is.
    """

    wish: Wish
    name = "upgrade"
    summary = "a new version of the workers takes over while orders are in every state"
    ground = Ground.MEMORY

    async def run(self, house: House, log: Log) -> None:
        """See ``Drill``."""
        each = max(1, self.wish.count(usual=240, quick=24) // GROUPS)
        patched = self.wish.old_code is None
        async with _versions(house, self.wish):
            shipped_in_part = await _shipped_in_part(house, each)
            cases, (waiting, held, stopped) = await _until_each_stands_still(house, each)
            before = [*shipped_in_part, *waiting, *held, *stopped]
            log.did(
                f"{len(before)} orders are with the old workers: shipped in part, waiting, on hold, stopped"
            )

            await house.stack.run_worker(NEW, NEW, module=CHANGED if patched else WORKER)
            await make_current(house.client, NEW)
            late = await house.place(small_orders(each))
            log.did(f"the new version is made current beside the old one; {len(late)} more orders come in")
            await house.office.ship([*waiting, *shipped_in_part])
            await house.stack.end_part(OLD)
            late += await house.place(small_orders(each))
            log.did(f"the old workers are ended; {each} more orders come in")
            for external_id in held:
                await house.client.get_workflow_handle(workflow_id(external_id)).signal("release")
            everything = [*before, *late]
            try:
                case = await solve_once(house, log, cases, stopped)
                await carry(house, log, everything)
                await check_resolved(house, log, case)
                await look_at_both(house, log, everything)
            finally:
                # Also where orders got stuck: that is what a contradicted past does.
                pasts = {each: await _past(house, each) for each in everything}
                check_pasts(log, pasts, before, patched=patched)


@dataclass(frozen=True)
class Past:
    """What an order's history tells about the versions that had a hand in it."""

    builds: tuple[str, ...]
    """Build ids of the workers that did its workflow tasks, in that order."""
    contradicted: int
    """How often a worker's code did not fit what had happened."""
    patched: bool
    """It went the new way of the changed worker."""

    @classmethod
    def of(cls, history: WorkflowHistory) -> Self:
        """Read a history."""
        builds: list[str] = []
        contradicted, patched = 0, False
        for event in history.events:
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                done = event.workflow_task_completed_event_attributes
                builds.append(done.deployment_version.build_id)
            elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                cause = event.workflow_task_failed_event_attributes.cause
                contradicted += (
                    cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
                )
            elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
                marker = event.marker_recorded_event_attributes
                patched |= any(PATCH.encode() in part.data for part in marker.details["patch-data"].payloads)
        return cls(tuple(builds), contradicted, patched)


def check_pasts(log: Log, pasts: Mapping[str, Past], before: Collection[str], *, patched: bool) -> None:
    """No order's past was read otherwise by the new code than it had happened; and both versions had a hand in it."""
    log.number("orders that an old worker had a hand in", sum(OLD in past.builds for past in pasts.values()))
    log.number("orders that a new worker had a hand in", sum(NEW in past.builds for past in pasts.values()))
    contradicted = sorted(each for each, past in pasts.items() if past.contradicted)
    log.check(
        "an order's past is never contradicted (no non-determinism error)",
        not contradicted,
        f"{sum(past.contradicted for past in pasts.values())} errors in {len(contradicted)} of {len(pasts)} orders"
        + "".join(f"; {each}" for each in contradicted[:3]),
    )
    carried_on = [each for each in before if {OLD, NEW} <= set(pasts[each].builds)]
    log.check(
        "every order that was under way went from the old version to the new one",
        bool(before) and len(carried_on) == len(before),
        f"{len(carried_on)} of {len(before)}; {len(pasts) - len(before)} more began later",
    )
    if patched:
        new = {each for each, past in pasts.items() if past.builds[:1] == (NEW,)}
        went = {each for each, past in pasts.items() if past.patched}
        log.check(
            "orders that the new version began go its new way, those that the old one began the old way",
            bool(new) and went == new,
            f"{len(went & new)} of {len(new)} the new way, {len(pasts) - len(went | new)}"
            f" of {len(pasts) - len(new)} the old way",
        )


@asynccontextmanager
async def _versions(house: House, wish: Wish) -> AsyncIterator[None]:
    """Old workers in place of the stack's own, which have no version; afterwards these take over again."""
    await house.stack.run_worker(OLD, OLD, code=wish.old_code)
    await make_current(house.client, OLD)
    await house.stack.parts["worker"].stop()
    try:
        yield
    finally:
        await house.stack.parts["worker"].start()
        await make_current(house.client, None)
        for name in (OLD, NEW):
            await house.stack.end_part(name)


async def _shipped_in_part(house: House, count: int) -> list[str]:
    """Orders of which some left; the storefront has been told, and the rest waits."""
    ids = await house.place(small_orders(count))
    await house.until_entered(ids, within=longest(count))
    await house.office.ship(ids, part=True)
    await house.until(
        ids,
        lambda row: row.status is OrderStatus.PARTLY_SHIPPED,
        "are shipped in part",
        within=longest(count),
    )
    return ids


async def _until_each_stands_still(house: House, each: int) -> tuple[set[int], tuple[list[str], ...]]:
    """Orders that wait for the warehouse, that are on hold, and that have stopped; and the cases before them."""
    waiting, held = await house.place(small_orders(each)), await house.place(small_orders(each))
    await house.until_entered([*waiting, *held], within=longest(2 * each))
    for external_id in held:
        await house.client.get_workflow_handle(workflow_id(external_id)).signal("hold")
    cases = set(await open_cases(house))
    await house.office.hide_product("MUG-LOGO")
    try:
        stopped = await house.place(small_orders(each))
        await until_stopped(house, stopped)
    finally:
        await house.office.show_product("MUG-LOGO")
    return cases, (waiting, held, stopped)


async def _past(house: House, external_id: str) -> Past:
    return Past.of(await house.client.get_workflow_handle(workflow_id(external_id)).fetch_history())

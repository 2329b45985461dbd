"""Runs drills on embedded stacks, side by side: those on the same ground share one."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from adapters.registry import build_webhook_reader
from config.settings import load_settings
from sandbox.addresses import CHANNEL
from sandbox.drills.drill import Drill, Ground, Report, Simulation, carry_out, reported
from sandbox.drills.erp_down import ErpDown
from sandbox.drills.reports import verdict, write_reports
from sandbox.house import PLUS_PLAN, people_around
from sandbox.stack import Say, Stack

AnyDrill = Drill | Simulation
DIRECTORY: Final = Path("var/drill")
SECONDS_PER_ORDER: Final = 0.2
"""What the memory ERP takes over an order: five a second, several times faster than Tryton, slower than the rest."""


async def run_drills(drills: Sequence[AnyDrill], say: Say, directory: Path = DIRECTORY) -> int:
    """Run them, write the reports, say the verdict; exit status 0 only where everything held.

    Those of different grounds run side by side: a drill mostly waits.
    """
    lanes = _lanes(drills)
    try:
        async with asyncio.TaskGroup() as running:
            tasks = [
                running.create_task(_run_on(ground, here, say, directory / name, prefixed=len(lanes) > 1))
                for name, (ground, here) in lanes.items()
            ]
    except ExceptionGroup as several:
        # The first stack that did not come up says why; the others were ended for it.
        raise several.exceptions[0] from None
    return conclude([report for task in tasks for report in task.result()], say, directory)


def conclude(reports: Sequence[Report], say: Say, directory: Path = DIRECTORY) -> int:
    """Write the reports, say the verdict; exit status 0 only where everything held."""
    written = write_reports(directory / "reports", reports)
    for report in reports:
        say(f"{'held  ' if report.held else 'FAILED'} {report.name} ({report.seconds:.0f} s)")
        for check in report.checks:
            if not check.held:
                say(f"       {check.claim}: {check.seen}")
    say(f"report: {written} (and .json)")
    say(f"drill: {verdict(reports)}")
    if len(reports) == 1 and reports[0].conclusion:
        say(reports[0].conclusion)
    return 0 if all(report.held for report in reports) else 1


def _lanes(drills: Sequence[AnyDrill]) -> dict[str, tuple[Ground, list[AnyDrill]]]:
    """Drills that share a stack, by the name of its folder; the outage, which takes longest, has one to itself."""
    lanes: dict[str, tuple[Ground, list[AnyDrill]]] = {}
    for drill in drills:
        name = drill.name if isinstance(drill, ErpDown) else str(drill.ground)
        lanes.setdefault(name, (drill.ground, []))[1].append(drill)
    return lanes


async def _run_on(
    ground: Ground, drills: Sequence[AnyDrill], say: Say, directory: Path, *, prefixed: bool
) -> list[Report]:
    def saying(drill: AnyDrill) -> Say:
        return _prefixed(say, drill.name) if prefixed else say

    simulations = [drill for drill in drills if isinstance(drill, Simulation)]
    reports = [await reported(drill, drill.simulate, saying(drill)) for drill in simulations]
    real = [drill for drill in drills if not isinstance(drill, Simulation)]
    if not real:
        return reports
    stack = Stack(
        directory,
        fresh=True,
        say=say,
        faults=True,
        memory_erp=SECONDS_PER_ORDER if ground is Ground.MEMORY else None,
    )
    async with stack, people_around(stack) as house:
        await house.store.set_throttle(PLUS_PLAN)
        # As whoever installs the app does: what nobody takes would be sent again and again.
        reader = build_webhook_reader(CHANNEL, load_settings(stack.env_file))
        await house.store.turn_webhooks(topics=sorted(reader.topics))
        return [*reports, *[await carry_out(drill, house, saying(drill)) for drill in real]]


def _prefixed(say: Say, name: str) -> Say:
    return lambda words: say(f"[{name}] {words.removeprefix(f'{name}: ')}")

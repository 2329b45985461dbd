"""Runs drills on embedded stacks: those on the same ground share one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from adapters.registry import build_webhook_reader
from config.settings import load_settings
from sandbox.drills.drill import Drill, Ground, Report, carry_out
from sandbox.drills.reports import verdict, write_reports
from sandbox.house import PLUS_PLAN, people_around
from sandbox.stack import CHANNEL, Say, Stack

DIRECTORY: Final = Path("var/drill")
SECONDS_PER_ORDER: Final = 0.2
"""What the memory ERP takes over an order: five a second, several times faster than Tryton, slower than the rest."""


async def run_drills(drills: Sequence[Drill], say: Say, directory: Path = DIRECTORY) -> int:
    """Run them, write the reports, say the verdict; exit status 0 only where everything held."""
    reports: list[Report] = []
    for ground in Ground:
        here = [drill for drill in drills if drill.ground is ground]
        if here:
            reports += await _run_on(ground, here, say, directory)
    written = write_reports(directory / "reports", reports)
    for report in reports:
        say(f"{'held  ' if report.held else 'FAILED'} {report.name} ({report.seconds:.0f} s)")
    say(f"report: {written} (and .json)")
    say(f"drill: {verdict(reports)}")
    return 0 if all(report.held for report in reports) else 1


async def _run_on(ground: Ground, drills: Sequence[Drill], say: Say, directory: Path) -> list[Report]:
    stack = Stack(
        directory / ground,
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
        return [await carry_out(drill, house, say) for drill in drills]

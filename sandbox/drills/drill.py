"""What a drill is: something goes wrong on purpose, and what must hold is looked at afterwards."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from domain.model import Frozen, Instant
from sandbox.house import House
from sandbox.stack import Say


class Ground(StrEnum):
    """Where a drill runs."""

    TRYTON = "tryton"
    """The embedded stack with a real ERP, which takes about one order a second."""
    MEMORY = "memory"
    """The embedded stack with the memory ERP in a process of its own, for many orders."""
    NOWHERE = "none"
    """No system at all: adapters in memory, in a time of their own."""
    STAGING = "your staging"
    """A deployment of the user's own, with the user's own orders."""


class Check(Frozen):
    """Something that must hold, whether it did, and what was seen."""

    claim: str
    held: bool
    seen: str


class Report(Frozen):
    """What came of one drill."""

    name: str
    summary: str
    ground: Ground
    began: Instant
    seconds: float
    did: tuple[str, ...]
    checks: tuple[Check, ...]
    numbers: dict[str, float | int | str]
    conclusion: str = ""
    """What it comes to in one line, where the drill has one of its own."""

    @property
    def held(self) -> bool:
        """Everything that must hold did; a drill that checked nothing did not."""
        return bool(self.checks) and all(check.held for check in self.checks)


@dataclass(frozen=True)
class Wish:
    """How the drill was asked for; None leaves it to the drill. ``quick`` is the size for CI."""

    quick: bool = False
    orders: int | None = None
    minutes: float | None = None
    seed: int = 1
    old_code: Path | None = None
    """Where an earlier release lies, for the drill of an upgrade; without it old and new run the same code."""

    def count(self, usual: int, quick: int) -> int:
        """How many orders."""
        return self.orders if self.orders is not None else (quick if self.quick else usual)

    def seconds(self, usual: float, quick: float) -> float:
        """How long an outage."""
        return self.minutes * 60 if self.minutes is not None else (quick if self.quick else usual)


class Log:
    """Where a drill tells what it does and sees; ``say`` shows it at once."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._did: list[str] = []
        self._checks: list[Check] = []
        self._numbers: dict[str, float | int | str] = {}
        self._conclusion = ""

    def did(self, words: str) -> None:
        """Something was done."""
        self._did.append(words)
        self._say(f"  {words}")

    def check(self, claim: str, held: bool, seen: str) -> None:
        """Something that must hold was looked at."""
        self._checks.append(Check(claim=claim, held=held, seen=seen))
        self._say(f"  {'held  ' if held else 'FAILED'} {claim}: {seen}")

    def number(self, name: str, value: float | str) -> None:
        """Something was measured; the name holds the unit."""
        self._numbers[name] = round(value, 3) if isinstance(value, float) else value

    def conclude(self, words: str) -> None:
        """What it comes to in one line."""
        self._conclusion = words

    def progress(self, words: str) -> Callable[[int, int], None]:
        """Tells how far something got: ``12 of 24 orders are in the ERP``."""

        def tell(so_many: int, of: int) -> None:
            if so_many == of or so_many % max(1, of // 4) == 0:
                self._say(f"    {so_many} of {of} {words}")

        return tell

    def report(self, drill: "Named", began: datetime, seconds: float) -> Report:
        """Everything told so far."""
        return Report(
            name=drill.name,
            summary=drill.summary,
            ground=drill.ground,
            began=began,
            seconds=round(seconds, 1),
            did=tuple(self._did),
            checks=tuple(self._checks),
            numbers=dict(self._numbers),
            conclusion=self._conclusion,
        )


class Named(Protocol):
    """What is known of a drill before it runs."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        ...

    @property
    def summary(self) -> str:
        """What goes wrong, in one sentence."""
        ...

    @property
    def ground(self) -> Ground:
        """Where it runs."""
        ...


class Drill(Named, Protocol):
    """One drill. It leaves the house as it found it: no rules, no held webhooks, every order ended."""

    async def run(self, house: House, log: Log) -> None:
        """Do it. What is waited for in vain raises HouseStuck."""
        ...


@runtime_checkable
class Simulation(Named, Protocol):
    """A drill that needs no stack."""

    async def simulate(self, log: Log) -> None:
        """Do it."""
        ...


async def carry_out(drill: Drill, house: House, say: Say) -> Report:
    """Run one drill on a stack; where something stops it, bring the stack into order for the next one."""

    async def stopped() -> None:
        await tidy_up(house)

    return await reported(drill, lambda log: drill.run(house, log), say, stopped)


async def reported(
    drill: Named,
    run: Callable[[Log], Awaitable[None]],
    say: Say,
    stopped: Callable[[], Awaitable[None]] | None = None,
) -> Report:
    """Run one drill. Whatever stops it is a failed check, so that the next one still runs."""
    say(f"{drill.name}: {drill.summary}")
    log, began, start = Log(say), datetime.now(UTC), time.monotonic()
    try:
        await run(log)
    except Exception as error:  # noqa: BLE001  whatever it was, it is what the drill found
        log.check("the drill comes to its end", held=False, seen=f"{type(error).__name__}: {error}")
        if stopped is not None:
            await stopped()
    return log.report(drill, began, time.monotonic() - start)


async def tidy_up(house: House) -> None:
    """Bring back what is dead, lift every rule, let webhooks go: the next drill must not suffer."""
    await house.stack.revive()
    if house.faults is not None:
        for proxy in await house.faults.proxies():
            await house.faults.clear(proxy.name)
    await house.store.turn_webhooks(
        paused=False, duplicate=False, drop=False, shuffle_seed=None, shuffle_window=0.0
    )

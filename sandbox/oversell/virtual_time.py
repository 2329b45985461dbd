"""An event loop whose time jumps to whatever comes next: half an hour of a shop takes seconds, and repeats exactly.

What goes to a thread (every query of ours) is done here too, some time after it was asked for and some time before its
answer arrives; so everybody else gets a turn between any two steps of ours.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from random import Random
from typing import Any

LONGEST_STEP = 0.4
"""Seconds that a step of ours waits at most before and after it is done, as a rule."""
LONGEST_PAUSE = 10.0
"""And now and then: a process that got no processor for a while."""


class _Jumping(selectors.DefaultSelector):
    """Waits for nothing: what it was to wait is added to the time."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Raises RuntimeError where everybody waits for something that never comes."""
        found = super().select(0)
        if not found:
            if timeout is None:
                raise RuntimeError("nothing is going to happen any more, but something is waited for")
            self.passed += max(0.0, timeout)
        return found


class VirtualTime(asyncio.SelectorEventLoop):
    """The loop. ``dice`` decide how long each step takes."""

    def __init__(self, dice: Random) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self._dice = dice

    def time(self) -> float:
        """Seconds since it began."""
        return self._jumping.passed

    def run_in_executor(  # type: ignore[override]  # the function is done in this thread, so no executor is needed
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Do it here, with a pause before and after. Whoever gives up waiting does not undo it."""
        del executor
        outcome: asyncio.Future[Any] = self.create_future()

        def do() -> None:
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001  the future carries it
                self.call_later(self._pause(), _tell, outcome, None, error)
            else:
                self.call_later(self._pause(), _tell, outcome, result, None)

        self.call_later(self._pause(), do)
        return outcome

    def _pause(self) -> float:
        longest = LONGEST_PAUSE if self._dice.random() < 0.01 else LONGEST_STEP  # noqa: PLR2004
        return self._dice.random() * longest


def _tell(outcome: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if outcome.done():
        return
    if error is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(result)

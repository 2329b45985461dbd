"""CPU time of one coroutine among many in the same event loop."""

import time
import types
from collections.abc import Coroutine, Generator
from inspect import iscoroutinefunction
from typing import Any, TypeVar

T = TypeVar("T")


class Stopwatch:
    """Adds up what is measured with it: ``seconds`` of CPU."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def of(self, work: Coroutine[Any, Any, T]) -> T:
        """Await ``work`` and count its own steps: not what other tasks do while it waits."""
        return await self._step_by_step(work)

    def calls_of(self, port: Any) -> Any:
        """The same object, whose coroutine methods are measured when they are called."""
        return _Measured(port, self)

    @types.coroutine
    def _step_by_step(self, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        step: Any = work.send
        value: Any = None
        while True:
            began = time.thread_time()
            try:
                waits_for = step(value)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            finally:
                self.seconds += time.thread_time() - began
            try:
                step, value = work.send, (yield waits_for)
            except BaseException as error:  # noqa: BLE001  a cancellation too goes to whom it was meant for
                step, value = work.throw, error


class _Measured:
    def __init__(self, port: Any, watch: Stopwatch) -> None:
        self._port = port
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not iscoroutinefunction(value):
            return value
        return lambda *args, **named: self._watch.of(value(*args, **named))

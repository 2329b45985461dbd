"""What may go wrong at any call of an activity, and what people may do between two calls of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlmodel import Session

from adapters.memory.faults import Faults
from store.database import Database
from store.errors import DatabaseUnavailable


class Crash(BaseException):
    """The worker dies at this point: nothing after it happens."""


class Weather(Faults):
    """The faults of both systems and of the store; ``store.write`` is a transaction of ours."""

    def __init__(self) -> None:
        super().__init__()
        self._crash_in: int | None = None
        self._crash_after = False
        self._people_in: int | None = None
        self._people: Callable[[], None] = lambda: None
        self.noticed: Callable[[str], None] = lambda _: None
        """Hears of each call that a system did, whether its answer arrived or not."""

    def crash(self, calls: int, *, after: bool) -> None:
        """Die at the call that comes so many calls from now, before or after it is done."""
        self._crash_in, self._crash_after = calls, after

    def let_people_act(self, calls: int, act: Callable[[], None]) -> None:
        """Somebody does something just before the call that comes so many calls from now."""
        self._people_in, self._people = calls, act

    def calm_down(self) -> None:
        """Nothing goes wrong any more."""
        self.lift()
        self._crash_in = self._people_in = None

    @contextmanager
    def during(self, system: str, operation: str, *, writes: bool) -> Iterator[None]:
        dies = self._crash_in == 0
        self._crash_in = None if not self._crash_in else self._crash_in - 1
        acts = self._people_in == 0
        self._people_in = None if not self._people_in else self._people_in - 1
        if acts:
            self._people()
        if dies and not self._crash_after:
            raise Crash
        with super().during(system, operation, writes=writes):
            yield
            self.noticed(operation)
        if dies:
            raise Crash


class WeatheredDatabase(Database):
    """The store behind the weather."""

    weather: Weather | None = None

    @contextmanager
    def write(self, *, lasting: bool = False) -> Iterator[Session]:
        if self.weather is None:
            with super().write(lasting=lasting) as session:
                yield session
            return
        with self.weather.during("store", "write", writes=True), super().write(lasting=lasting) as session:
            yield session


def store_away(system: str, operation: str) -> DatabaseUnavailable:
    """The error to order with ``Faults.fail`` for the store."""
    return DatabaseUnavailable(f"the {system} does not {operation} (ordered by a test)")

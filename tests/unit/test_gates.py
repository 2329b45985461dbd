"""The gate before an outside system: closed while it is away, probed by one, opened for all."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from activities.gates import Gate, Gates, Pace
from adapters.errors import (
    AdapterError,
    ContractBroken,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    SessionExpired,
    Unavailable,
)
from domain.connection import ConnectionState
from store.connections import Connections
from store.database import Database

FAST = Pace(look=0.01, probe=0.05, ping=0.2)
NEVER = Pace(look=0.01, probe=3600, ping=0.2)


class System:
    """Something to call: ``trouble`` is what a ping meets."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.pings = 0
        self.hangs = False

    async def ping(self) -> None:
        self.pings += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.trouble is not None:
            raise self.trouble


def down(operation: str = "read order") -> Unavailable:
    return Unavailable("erp", operation, "cannot be reached")


@pytest.fixture
def system() -> System:
    return System()


@pytest.fixture
def connections(sqlite_db: Database) -> Connections:
    return Connections(sqlite_db)


@pytest.fixture
def make_gate(system: System, connections: Connections):
    def make(pace: Pace = FAST) -> Gate:
        return Gate("erp", system.ping, connections, pace)

    return make


async def call(gate: Gate, error: AdapterError | None = None) -> None:
    async with gate.passing("read order"):
        if error is not None:
            raise error


async def failing(gate: Gate, error: AdapterError) -> None:
    with pytest.raises(type(error)):
        await call(gate, error)


@asynccontextmanager
async def watching(*gates: Gate) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(gate.watch()) for gate in gates]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  the conditions read a database
            await asyncio.sleep(0.01)


async def test_one_failed_call_of_a_system_that_answers_is_no_outage(make_gate, system) -> None:
    gate = make_gate()
    await failing(gate, down())
    assert system.pings == 1
    assert not gate.connection.away
    await call(gate)


@pytest.mark.parametrize(
    "error",
    [
        down(),
        OutcomeUnknown("erp", "submit order", "the answer was lost"),
        SessionExpired("erp", "log in", "refused"),
    ],
)
async def test_a_failed_call_of_a_system_that_answers_no_ping_closes_the_gate(
    make_gate, system, connections, error
) -> None:
    gate = make_gate()
    system.trouble = down()
    await failing(gate, error)
    assert gate.connection.away
    row = connections.get("erp")
    assert row.state is ConnectionState.AWAY
    assert row.reason == error.reason


async def test_while_it_is_away_no_call_is_made_and_each_says_why(make_gate, system) -> None:
    gate = make_gate(NEVER)
    system.trouble = down()
    await failing(gate, down())
    pings = system.pings
    entered = False
    with pytest.raises(Unavailable, match=r"not asked: the ERP is away since .* \(cannot be reached\)"):
        async with gate.passing("read order"):
            entered = True
    assert not entered
    assert system.pings == pings


async def test_an_error_tells_whether_the_call_failed_alone(make_gate, system) -> None:
    gate = make_gate()
    alone, together = down(), down()
    await failing(gate, alone)
    system.trouble = down()
    await failing(gate, together)
    assert (alone.this_call_alone, together.this_call_alone) == (True, False)


async def test_calls_that_fail_together_ask_once(make_gate, system) -> None:
    gate = make_gate(NEVER)
    system.trouble = down()
    await asyncio.gather(*(failing(gate, down()) for _ in range(8)))
    assert system.pings == 1
    assert gate.connection.away


@pytest.mark.parametrize(
    "error", [Rejected("erp", "submit order", "no"), ContractBroken("erp", "read order", "odd")]
)
async def test_a_refusal_is_an_answer(make_gate, system, error) -> None:
    gate = make_gate()
    system.trouble = down()
    for _ in range(5):
        await failing(gate, error)
    assert system.pings == 0
    assert not gate.connection.away


async def test_a_system_that_answers_pings_but_no_call_is_left_alone_for_a_while(make_gate, system) -> None:
    gate = make_gate(NEVER)
    for _ in range(3):
        await failing(gate, down())
    assert gate.connection.away
    assert system.pings == 2


async def test_a_call_that_works_between_failures_keeps_the_gate_open(make_gate) -> None:
    gate = make_gate(NEVER)
    for _ in range(4):
        await failing(gate, down())
        await call(gate)
    assert not gate.connection.away


async def test_a_system_that_asks_to_wait_is_left_alone_for_just_that_long(make_gate, system) -> None:
    gate = make_gate()
    await failing(gate, RateLimited("erp", "read order", "too many calls", timedelta(seconds=0.4)))
    assert gate.connection.away
    began = asyncio.get_running_loop().time()
    async with watching(gate), asyncio.timeout(5):
        await gate.until_open()
    assert asyncio.get_running_loop().time() - began >= 0.39
    assert system.pings == 1


async def test_a_call_given_up_without_an_answer_makes_the_gate_ask(make_gate, system) -> None:
    gate = make_gate()
    system.hangs = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), gate.passing("submit order"):
            await asyncio.Event().wait()
    await until(lambda: gate.connection.away)
    assert gate.connection.reason == "submit order: no answer"


async def test_it_opens_once_the_system_answers_again_and_a_failure_then_counts_at_once(
    make_gate, system
) -> None:
    gate = make_gate()
    system.trouble = down()
    await failing(gate, down())
    async with watching(gate), asyncio.timeout(10):
        await until(lambda: system.pings >= 3)
        assert gate.connection.away
        system.trouble = None
        await gate.until_open()
    pings = system.pings
    await failing(gate, down())
    assert gate.connection.away
    assert system.pings == pings


async def test_a_mistake_in_a_ping_does_not_keep_the_gate_closed(make_gate, system) -> None:
    gate = make_gate()
    system.trouble = down()
    await failing(gate, down())
    system.trouble = ValueError("a mistake in an adapter")
    async with watching(gate), asyncio.timeout(10):
        await until(lambda: system.pings >= 3)
        assert gate.connection.away
        system.trouble = None
        await gate.until_open()


async def test_one_worker_probes_and_all_learn(make_gate, system, connections) -> None:
    gates = [make_gate() for _ in range(4)]
    async with watching(*gates), asyncio.timeout(10):
        await until(lambda: connections.get("erp") is not None)
        system.trouble = down()
        await failing(gates[0], down())
        await until(lambda: all(gate.connection.away for gate in gates))
        before = system.pings
        await asyncio.sleep(0.5)
        assert 1 <= system.pings - before <= 11, "more than one worker probes"
        system.trouble = None
        await asyncio.gather(*(gate.until_open() for gate in gates))
    assert connections.get("erp").state is ConnectionState.UP


async def test_a_worker_that_starts_during_an_outage_does_not_call_first(
    make_gate, system, connections
) -> None:
    system.trouble = down()
    await failing(make_gate(NEVER), down())
    late = make_gate(NEVER)
    async with watching(late):
        await until(lambda: late.connection.away)
    assert system.pings == 1


async def test_without_a_database_the_gate_works_for_its_own_process(make_gate, system, connections) -> None:
    gate = make_gate()
    with connections._db.engine.begin() as connection:
        connection.exec_driver_sql('DROP TABLE "connection"')
    system.trouble = down()
    await failing(gate, down())
    assert gate.connection.away
    async with watching(gate), asyncio.timeout(10):
        await until(lambda: system.pings >= 3)
        system.trouble = None
        await gate.until_open()


def test_a_system_that_is_not_served_here_is_not_away(connections, system) -> None:
    gates = Gates({"erp": system.ping}, connections)
    assert gates.away("shop") is None
    assert gates.away("erp") is None
    with pytest.raises(KeyError):
        gates.of("shop")

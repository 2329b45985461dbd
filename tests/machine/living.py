"""Goes through many lives of orders, on several processors at once."""

import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import get_state_machine_test

from tests.machine.machine import OrderMachine
from tests.machine.weather import WeatheredDatabase
from tests.machine.world import House

A_SHARE = 250
"""Lives that one process goes through before it reports."""
LONGEST_LIFE = 40
"""Things that happen to an order."""


class Share(NamedTuple):
    """Some lives, the same for the same seed."""

    lives: int
    seed: int
    shrink: bool = True


class Lived(NamedTuple):
    """``finding`` is empty where all ended well; else what happened, as short as hypothesis could make it."""

    lives: int
    finding: str
    seed: int


def lives_of(
    lives: int,
    first_seed: int,
    jobs: int | None = None,
    done: Mapping[int, int] = MappingProxyType({}),
    machine: type[OrderMachine] = OrderMachine,
) -> Iterator[Lived]:
    """Go through so many lives; tells of each share as it ends.

    ``done``: seed of a share -> its lives, of those that ended well before; they are told of, and not lived again.
    """
    shares = [Share(min(A_SHARE, lives - begun), first_seed + begun) for begun in range(0, lives, A_SHARE)]
    yield from (Lived(share.lives, "", share.seed) for share in shares if done.get(share.seed) == share.lives)
    rest = [share for share in shares if done.get(share.seed) != share.lives]
    if not rest:
        return
    jobs = jobs or os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(min(jobs, len(rest)), maxtasksperchild=8) as pool:
        yield from pool.imap_unordered(partial(live, machine=machine), rest)


def live(share: Share, machine: type[OrderMachine] = OrderMachine) -> Lived:
    """Go through a share in this process."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        database = WeatheredDatabase(f"sqlite:///{folder}/orders.db")
        database.migrate()
        house = House(database)
        try:
            test = get_state_machine_test(
                type("Machine", (machine,), {"house": house}), settings=_settings(share), _min_steps=8
            )
            seed(share.seed)(test)()
        except Exception as error:  # noqa: BLE001  whatever it is, it is a finding
            return Lived(
                share.lives, f"seed {share.seed}:\n{''.join(traceback.format_exception(error))}", share.seed
            )
        finally:
            house.close()
            database.close()
    return Lived(share.lives, "", share.seed)


def _settings(share: Share) -> settings:
    return settings(
        max_examples=share.lives,
        stateful_step_count=LONGEST_LIFE,
        phases=[Phase.generate, Phase.shrink] if share.shrink else [Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=True,
    )

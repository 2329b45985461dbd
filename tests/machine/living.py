"""Goes through many lives of orders, on several processors at once."""

import multiprocessing
import os
import random
import tempfile
import traceback
from pathlib import Path
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


def live_all(lives: int, first_seed: int | None, jobs: int | None = None) -> list[Lived]:
    """Go through so many lives; a ``first_seed`` of None takes one by chance."""
    start = random.SystemRandom().randrange(2**32) if first_seed is None else first_seed
    shares = [Share(min(A_SHARE, lives - begun), start + begun) for begun in range(0, lives, A_SHARE)]
    jobs = jobs or os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(min(jobs, len(shares)), maxtasksperchild=8) as pool:
        return list(pool.imap_unordered(live, shares))


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
            return Lived(share.lives, f"seed {share.seed}:\n{''.join(traceback.format_exception(error))}")
        finally:
            house.close()
            database.close()
    return Lived(share.lives, "")


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

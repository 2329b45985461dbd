"""Orders that have stopped with a problem: they are one case, which an operator solves once, on the command line."""

import asyncio
import json
import sys
from collections.abc import Collection, Mapping
from typing import Any

from sandbox.drills.carrying import longest
from sandbox.drills.drill import Log
from sandbox.house import House


class OperatorRefused(Exception):
    """The command line did not do what the operator asked for; the message is what it said."""


async def until_stopped(house: House, ids: Collection[str]) -> dict[str, str]:
    """Wait until all orders have stopped; returns what each says. Raises HouseStuck."""
    await house.until(ids, lambda row: bool(row.problem), "have stopped", within=longest(len(ids)))
    listed = await house.listed()
    return {each: listed[each].problem for each in ids}


async def open_cases(house: House) -> dict[int, Mapping[str, Any]]:
    """The cases that are open, by number, as ``orderwright case list`` shows them."""
    return {case["id"]: case for case in json.loads(await _operator(house, "case", "list", "--json"))}


async def solve_once(house: House, log: Log, before: Collection[int], ids: Collection[str]) -> int:
    """Look that the orders are one new case, and solve it once, for all of them; returns its number."""
    new = {number: case for number, case in (await open_cases(house)).items() if number not in before}
    waiting = sum(case["waiting"] for case in new.values())
    titles = "; ".join(case["title"] for case in new.values())
    log.check(
        "orders that share a cause are one case",
        len(new) == 1 and waiting == len(ids),
        f"{len(new)} new cases in which {waiting} of {len(ids)} orders wait: {titles}",
    )
    for number in new:
        await _operator(
            house, "case", "resolve", str(number), "--retry", "--reason", "mended", "--actor", "drill"
        )
    return max(new, default=0)


async def check_resolved(house: House, log: Log, number: int) -> None:
    """Look that the case is over now that its orders went on."""
    still = number in await open_cases(house)
    log.check(
        "solving it once released them all", not still, f"case {number} is {'open' if still else 'resolved'}"
    )


async def _operator(house: House, *arguments: str) -> str:
    """What somebody at another terminal is told."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orderwright", "--env-file", str(house.stack.env_file), *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    if process.returncode != 0:
        raise OperatorRefused(f"orderwright {' '.join(arguments)}: {err.decode().strip()}")
    return out.decode()

"""A call for many that one bad one does not spoil."""

from collections.abc import Awaitable, Callable, Sequence

from adapters.errors import AdapterError, ContractBroken, Rejected

REFUSALS = (Rejected, ContractBroken)
SINGLE_REFUSALS = 4
"""So many refused one after the other, and none done: the system refuses everything."""


class Halving:
    """What is refused as a whole is halved until the bad one is alone. ``call`` takes some of the names."""

    def __init__(self, call: Callable[[Sequence[str]], Awaitable[None]]) -> None:
        self._call = call
        self.done: set[str] = set()
        self.refused: dict[str, AdapterError] = {}

    async def go(self, names: Sequence[str]) -> None:
        """Call for these; raises what says something about the system and not about one of them."""
        try:
            await self._call(names)
        except REFUSALS as error:
            if len(names) == 1:
                self._refuse(names[0], error)
                return
            half = len(names) // 2
            await self.go(names[:half])
            await self.go(names[half:])
        else:
            self.done |= {*names}

    def _refuse(self, name: str, error: AdapterError) -> None:
        self.refused[name] = error
        if not self.done and len(self.refused) >= SINGLE_REFUSALS:
            self.refused.clear()
            raise error

"""Where scenarios are played: the store, the ERP's people, Temporal and the list of orders, however they are run."""

from collections.abc import Mapping
from typing import Literal, Protocol

from temporalio.client import Client

from sandbox.back_office import BackOffice
from sandbox.scenarios.vocabulary import WentWrong
from sandbox.store.client import AsyncStoreControl
from sandbox.store.control import Fault

System = Literal["erp", "store"]

_FIELDS = {"reading": "order", "fulfillment": "fulfillmentCreate", "capture": "orderCapture"}
_KINDS = {"answer lost": "answer_lost", "unavailable": "unavailable", "too many": "too_many_requests"}


class Late(Exception):
    """What a scenario waits for did not happen in time; the message says what it was and how far it has come."""


class People(BackOffice, Protocol):
    """The ERP's people, who also see to one order alone."""

    async def ship_one(self, external_id: str, *, part: bool, warehouse: str | None) -> int:
        """Send off what waits of an order, half of each shipment where ``part``; returns how many parcels left."""
        ...

    async def ship_piece(self, external_id: str, product: str, pieces: int) -> None:
        """Send pieces of a kit ahead. Raises LookupError where none waits."""
        ...

    async def pick(self, external_id: str) -> None:
        """Take the first shipment that waits off the shelves. Raises LookupError where none does."""
        ...

    async def put_back(self, external_id: str) -> None:
        """Put what is picked back on the shelves. Raises LookupError where nothing is."""
        ...

    async def give_up(self, external_id: str, units: Mapping[str, int], *, handled: bool) -> None:
        """Take units (SKU -> units) off their shipments and send nothing instead. Raises LookupError where none waits.

        ``handled``: and settle in the ERP that this is for good, where it asks about that.
        """
        ...

    async def send_after_all(self, external_id: str) -> None:
        """Ship anew what was given up. Raises LookupError where nothing was."""
        ...

    async def send_picked(self, external_id: str) -> None:
        """Send what is picked. Raises LookupError where nothing is."""
        ...

    async def take_stock(self, sku: str, warehouse: str, units: int, external_id: str) -> None:
        """So many units are on the shelves of a warehouse, whatever the books said; what is there is reserved."""
        ...


class Ground(Protocol):
    """What a player needs. An implementation is made ready by its own context manager."""

    store: AsyncStoreControl
    people: People
    client: Client
    database_url: str

    async def take_down(self, system: System) -> None:
        """Let nobody reach a system."""
        ...

    async def bring_back(self, system: System) -> None:
        """Let it answer again."""
        ...

    async def spoil_erp(self, act: WentWrong) -> None:
        """Let the next submissions to the ERP go wrong, or deliveries of what was handed over."""
        ...

    async def pass_time(self, external_id: str, days: int) -> None:
        """Let days go by for an order, where time can be skipped; elsewhere return at once."""
        ...


async def spoil(ground: Ground, act: WentWrong) -> None:
    """Let calls go wrong, at whichever system they are for."""
    if act.call in {"submission", "delivery"}:
        await ground.spoil_erp(act)
        return
    fault = {"field": _FIELDS[act.call], "kind": _KINDS[act.how], "times": act.times}
    await ground.store.add_fault(Fault.model_validate(fault))

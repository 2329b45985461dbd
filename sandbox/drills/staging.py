"""A user's own staging as a drill sees it: its settings, its order list, Temporal, and proxies before its systems.

Nothing is placed, shipped or written here but rules at the proxies: the orders are the user's own.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import httpx
from temporalio.client import Client

from adapters.registry import build_storefront
from adapters.temporal import connect
from config.settings import Settings
from domain.connection import ERP_SYSTEM, Connection, called
from domain.order import Order, OrderKey
from domain.status import OrderStatus
from sandbox.drills.sweeping import sweep
from sandbox.failures import StagingRefused
from sandbox.faults.client import Faults
from sandbox.faults.control import ProxyReading
from sandbox.faults.rules import Rule
from sandbox.house import told_in_the_ui
from sandbox.stack import Say
from store.certificates import Certificate
from store.connections import Connections
from store.database import Database
from store.order_view import OrderSummary, OrderViews
from workflows.messages import ORDER_WORKFLOW, Attention
from workflows.search import ERP_NUMBER, ORDER_STATE

SWEEP_SECONDS: Final = 600.0
"""A sweep that takes longer waits for a system that is away, or for a worker that is not there."""
PATIENCE: Final = 30
"""Seconds that a system which is away before the drill has to come back."""
_AT_ONCE: Final = 500
"""Orders asked of the database in one query."""
_OVER: Final = frozenset({OrderStatus.CLOSED, OrderStatus.CANCELED, OrderStatus.IGNORED})
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Staging:
    """A deployment that runs. ``proxied`` names the proxy before each of its systems that has one."""

    settings: Settings
    database: Database
    client: Client
    faults: Faults
    proxied: Mapping[str, str]

    async def on_their_way(self, since: datetime) -> set[OrderKey]:
        """Orders whose workflow began since then, and older ones at work that the ERP does not have yet."""
        return await self._listed(
            f"StartTime >= '{since.isoformat()}' OR (ExecutionStatus = 'Running'"
            f" AND {ORDER_STATE.name} = '{Attention.WORKING}' AND {ERP_NUMBER.name} IS NULL)"
        )

    async def unsettled(self, keys: Collection[OrderKey]) -> dict[OrderKey, str]:
        """Those of these that are neither in the ERP nor wait for a person, and where each stands."""
        rows = await self.rows(keys)
        left = {key: _standing(rows.get(key)) for key in keys if not _settled(rows.get(key))}
        if not left:
            return {}
        held = await self._listed(
            f"ExecutionStatus = 'Running' AND {ORDER_STATE.name} = '{Attention.ON_HOLD}'"
        )
        return {key: words for key, words in left.items() if key not in held}

    async def rows(self, keys: Collection[OrderKey]) -> dict[OrderKey, OrderSummary]:
        """What the order list says of these orders."""
        return await asyncio.to_thread(self._rows, keys)

    async def away(self, systems: Collection[str]) -> list[Connection]:
        """Those of the systems that the application knows to be away."""
        known = await asyncio.to_thread(Connections(self.database).all)
        return [each for each in known if each.away and each.system in systems]

    async def told(self, key: OrderKey) -> str:
        """What the Temporal UI shows of an order under current details."""
        return await told_in_the_ui(self.client, key.workflow_id)

    async def sweep(self, hours: float | None = None) -> tuple[Certificate, ...]:
        """Sweep every channel; all certificates. Raises StagingRefused where that takes too long."""
        try:
            async with asyncio.timeout(SWEEP_SECONDS):
                several = await asyncio.gather(
                    *(
                        sweep(self.client, self.database, channel, hours)
                        for channel in sorted(self.settings.channels)
                    )
                )
        except TimeoutError as error:
            msg = f"no sweep ended within {SWEEP_SECONDS:.0f} s; is a worker running? See: orderwright status"
            raise StagingRefused(msg) from error
        return tuple(certificate for each in several for certificate in each)

    async def read_orders(self, keys: Collection[OrderKey]) -> list[Order]:
        """These orders as their storefronts show them."""
        orders: list[Order] = []
        for channel in sorted({key.channel for key in keys}):
            storefront = build_storefront(channel, self.settings)
            try:
                orders += [
                    await storefront.read_order(key.external_id)
                    for key in sorted(keys, key=str)
                    if key.channel == channel
                ]
            finally:
                await storefront.close()
        return orders

    async def _listed(self, condition: str) -> set[OrderKey]:
        query = f"WorkflowType = '{ORDER_WORKFLOW}' AND ({condition})"
        return {OrderKey.parse(found.id) async for found in self.client.list_workflows(query)}

    def _rows(self, keys: Collection[OrderKey]) -> dict[OrderKey, OrderSummary]:
        views, found = OrderViews(self.database), dict[OrderKey, OrderSummary]()
        for channel in {key.channel for key in keys}:
            ids = [key.external_id for key in keys if key.channel == channel]
            for start in range(0, len(ids), _AT_ONCE):
                rows = views.get_many(channel, ids[start : start + _AT_ONCE]).values()
                found |= {row.key: row for row in rows}
        return found


@asynccontextmanager
async def at_staging(settings: Settings, url: str) -> AsyncIterator[Staging]:
    """A staging by its own settings; ``url`` is the control address of the proxies. Raises StagingRefused."""
    database = Database(settings.database)
    try:
        await asyncio.to_thread(database.check)
        async with Faults(url.rstrip("/")) as faults:
            try:
                proxies = await faults.proxies()
            except httpx.TransportError as error:
                msg = (
                    f"no proxies answer at {url}; start them with: orderwright faults serve (docs/drills.md)"
                )
                raise StagingRefused(msg) from error
            try:
                client = await connect(settings.temporal)
            except RuntimeError as error:
                msg = f"Temporal cannot be reached at {settings.temporal.address}; see: orderwright doctor"
                raise StagingRefused(msg) from error
            yield Staging(settings, database, client, faults, proxies_before(settings, proxies))
    finally:
        database.close()


def proxies_before(settings: Settings, proxies: Sequence[ProxyReading]) -> dict[str, str]:
    """The name of the proxy before each system that has one: the settings lead to it, or it has the system's name."""
    addresses = {name: channel.url for name, channel in settings.channels.items()}
    if settings.erp is not None:
        addresses[ERP_SYSTEM] = settings.erp.url
    found: dict[str, str] = {}
    for system, address in addresses.items():
        here = [each.name for each in proxies if _same_place(each.url, address)]
        named = [each.name for each in proxies if each.name == system]
        if here or named:
            found[system] = (here or named)[0]
    return found


async def make_ready(staging: Staging, systems: Collection[str], say: Say) -> tuple[Certificate, ...]:
    """Make sure that a drill on these systems can prove anything; returns what a sweep counted before.

    Raises StagingRefused.
    """
    for proxy in await staging.faults.proxies():
        if proxy.rules:
            raise StagingRefused(
                f"{len(proxy.rules)} rules are in force at the proxy {proxy.name} already: does another drill run?"
                f" Else lift them with: orderwright faults clear {proxy.name}"
            )
    await _until_all_answer(staging)
    before = {system: await _calls(staging, system) for system in systems}
    say("a sweep counts the orders as they are, and shows whether the workers go through the proxies")
    certificates = await staging.sweep()
    for system in systems:
        if await _calls(staging, system) == before[system]:
            (proxy,) = [
                each for each in await staging.faults.proxies() if each.name == staging.proxied[system]
            ]
            raise StagingRefused(
                f"the workers do not reach {called(system)} through its proxy: no call was seen there during a sweep;"
                f" set {_variable(system)}={proxy.url} for them and for this command, and start them again"
            )
    return certificates


async def _until_all_answer(staging: Staging) -> None:
    """A moment's outage may end by itself; on top of a longer one a drill proves nothing."""
    systems = [ERP_SYSTEM, *staging.settings.channels]
    for _ in range(PATIENCE):
        away = await staging.away(systems)
        if not away:
            return
        await asyncio.sleep(1)
    raise StagingRefused(
        f"{called(away[0].system)} is away as it is ({away[0].reason}); begin when it is back"
    )


@asynccontextmanager
async def going_wrong(
    staging: Staging, rules: Mapping[str, Sequence[Rule]], seconds: float, say: Say
) -> AsyncIterator[None]:
    """While the block lasts, the rules are in force, by system; they are lifted in any case.

    The proxies lift them by themselves soon after ``seconds``, should this process be killed.
    """
    try:
        for system, each in rules.items():
            for rule in each:
                lasting = rule.model_copy(update={"lasts": seconds + 60})
                await staging.faults.set_rule(staging.proxied[system], lasting)
        yield
    finally:
        # Shielded: a second Ctrl-C must not leave the staging broken.
        await asyncio.shield(_lift(staging, rules))
        say("  the rules are lifted")


async def _lift(staging: Staging, systems: Collection[str]) -> None:
    for system in systems:
        await staging.faults.clear(staging.proxied[system])


async def _calls(staging: Staging, system: str) -> int:
    return (await staging.faults.counts(staging.proxied[system])).calls


def _variable(system: str) -> str:
    return "ORDERWRIGHT_ERP__URL" if system == ERP_SYSTEM else f"ORDERWRIGHT_CHANNELS__{system.upper()}__URL"


def _same_place(one: str, other: str) -> bool:
    """Whether two addresses lead to the same port of this machine."""
    first, second = urlsplit(one), urlsplit(other)
    return {first.hostname, second.hostname} <= _LOOPBACK and first.port == second.port


def _settled(row: OrderSummary | None) -> bool:
    return row is not None and bool(row.erp_number or row.problem or row.status in _OVER)


def _standing(row: OrderSummary | None) -> str:
    return "not read from the storefront yet" if row is None else row.waiting_for or "under way"

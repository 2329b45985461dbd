"""What all activities of orders share: their ports, and how an act is noted, done or refused.

An act changes a system and writes down in the same call what it did: the order's row, the audit and the crosswalk are
written together by ``store.journal``.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.contracts import LONGEST_ATTEMPT
from activities.failures import EXPLAINED, Explained, Refusal, as_application_error
from activities.finding import find_in_erp
from adapters.errors import AdapterError, ContractBroken, OutcomeUnknown, Rejected
from adapters.ports import ErpPort, MappingSource, StorefrontPort
from domain.cases import CaseReport
from domain.claims import OrderClaims
from domain.erp_order import ErpOrder
from domain.mapping import Mapping as FieldMapping
from domain.order import OrderKey
from store.crosswalk import Link
from store.database import Database
from store.erp_news import listen_to_hands
from store.errors import CrosswalkConflict
from store.journal import Entry, Journal
from store.order_view import OrderPatch
from store.own_writes import OwnWrites

log = logging.getLogger(__name__)


class NotedActs:
    """Base of the activities; ports injected, one instance serves all orders of a worker."""

    def __init__(
        self,
        storefronts: Mapping[str, StorefrontPort],
        erp: ErpPort,
        mappings: MappingSource,
        database: Database,
        *,
        longest_attempt: timedelta = LONGEST_ATTEMPT,
    ) -> None:
        self._storefronts = storefronts
        self._erp = erp
        self._mappings = mappings
        self._journal = Journal(database)
        self._own_writes = OwnWrites(database)
        self._database = database
        self._longest_attempt = longest_attempt.total_seconds()

    def _storefront(self, key: OrderKey) -> StorefrontPort:
        if key.channel not in self._storefronts:
            raise Rejected(
                key.channel,
                "find the storefront",
                f"channel {key.channel!r} is not set up here; set it and resubmit",
                f"channel_unknown:{key.channel}",
            )
        return self._storefronts[key.channel]

    async def _mapping_for(self, key: OrderKey, version: str) -> FieldMapping:
        """The mapping of a version; without one, that in force."""
        if version:
            return self._mapping(version)
        return await asyncio.to_thread(self._mappings.current, key.channel)

    def _mapping(self, version: str) -> FieldMapping:
        try:
            return self._mappings.version(version)
        except KeyError:
            raise Rejected(
                "Orderwright",
                f"use mapping version {version}",
                "it is not in the store (was the database replaced?); put the mapping file back as it was, restart",
                "mapping_version_lost",
            ) from None

    @asynccontextmanager
    async def _noted(self, key: OrderKey, revision: int, action: str) -> AsyncIterator[None]:
        """Turn what goes wrong inside into what Temporal should do; a refusal is noted on the order first."""
        try:
            async with asyncio.timeout(self._longest_attempt):
                yield
        except EXPLAINED as error:
            raise await self._failure(key, revision, action, error) from None
        except CrosswalkConflict as conflict:
            raise await self._failure(key, revision, action, _contradiction(conflict)) from None
        except TimeoutError:
            words = f"not done after {self._longest_attempt:g} s"
            late = OutcomeUnknown("Orderwright", action.replace("_", " "), words)
            raise await self._failure(key, revision, action, late) from None

    async def _look_at_warehouse(self, key: OrderKey) -> ErpOrder:
        """The order as the ERP has it; of what warehouses pick or put back after that, it hears."""
        await asyncio.to_thread(listen_to_hands, self._database, key)
        erp = await find_in_erp(self._erp, key)
        await asyncio.to_thread(listen_to_hands, self._database, key, erp)
        return erp

    async def _expect(self, key: OrderKey, echoes: tuple[str, ...]) -> None:
        """The storefront is going to tell us of what we just did there; at once, for it does so within seconds."""
        if echoes:
            await asyncio.to_thread(self._own_writes.remember, key, echoes)

    async def _failure(self, key: OrderKey, revision: int, action: str, error: Explained) -> ApplicationError:
        failure = as_application_error(error, activity.info().attempt, _failed_alone(error))
        if failure.details and isinstance(refusal := failure.details[0], Refusal):
            patch = OrderPatch(problem=refusal.reason, waiting_for="a person: mend the cause, then resubmit")
            case = CaseReport(cause=refusal.cause, reason=refusal.reason, key=key, evidence=_evidence(error))
            await self._note(key, revision, action, f"Refused: {refusal.reason}", patch, report=case)
        # The chain of causes would push the words an operator needs out of Temporal's size limit.
        log.debug("%s failed", action, exc_info=error)
        return failure

    async def _note(
        self,
        key: OrderKey,
        revision: int,
        action: str,
        text: str,
        patch: OrderPatch,
        *,
        actor: str = "Orderwright",
        links: tuple[Link, ...] = (),
        moved: tuple[Link, ...] = (),
        erp: ErpOrder | None = None,
        return_id: str = "",
        report: CaseReport | None = None,
        claims: OrderClaims | None = None,
    ) -> None:
        entry = Entry(
            key=key,
            revision=revision,
            action=action,
            actor=actor,
            text=text,
            patch=patch,
            links=links,
            moved=moved,
            erp=erp,
            return_id=return_id,
            report=report,
            claims=claims,
        )
        try:
            await asyncio.to_thread(self._journal.note, entry)
        except CrosswalkConflict as conflict:
            raise await self._failure(key, revision, action, _contradiction(conflict)) from None


def _failed_alone(error: Explained) -> int:
    """How often this call has failed while its system answered; the count goes from try to try by heartbeat."""
    told = activity.info().heartbeat_details
    times = int(told[0]) if told else 0
    if isinstance(error, AdapterError) and error.this_call_alone:
        times += 1
        activity.heartbeat(times)
    return times


def _evidence(error: Explained) -> str:
    """What was asked and what came back, where the answer itself is the trouble."""
    if not isinstance(error, ContractBroken):
        return ""
    return f"{error.system}, asked to {error.operation}, answered:\n{error.raw}"


def _contradiction(conflict: CrosswalkConflict) -> Rejected:
    return Rejected("Orderwright", "note which id is which", str(conflict), "crosswalk_conflict")

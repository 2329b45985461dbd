"""The sweep of one channel: what one system has and the other lacks is explained, repaired or named.

Pages of both systems' lists are compared; only an order that the lists do not settle is looked at by itself, in the
store and in Temporal. The rules are in ``domain.completeness``.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.comparison import Comparison
from activities.contracts import (
    CheckSilence,
    CompareOrders,
    KeepCertificates,
    OpenSweep,
    SilenceChecked,
    SweepPhase,
    SweepProgress,
    SweepReport,
)
from activities.failures import as_application_error, never_final
from activities.heartbeat import SIGN_OF_LIFE, alive
from activities.sweep_cases import report_findings, report_silence
from activities.sweep_knowledge import Orders, SweepKnowledge
from adapters.errors import AdapterError
from adapters.ports import ErpPort, StorefrontPort
from domain.certificate import SweepWindow, next_window
from domain.completeness import Patience
from store.certificates import Certificates
from store.database import Database
from store.rhythms import ChannelSilence, Rhythms

log = logging.getLogger(__name__)

BATCH = timedelta(seconds=20)
"""How long one activity goes on; what it found is then in the history, and a crash costs no more than that."""
FIRST_REACH = timedelta(days=7)
"""How far back the first sweep of a channel looks at most."""


@dataclass(frozen=True)
class SweepRules:
    """How far a sweep looks back before the last one, and how long things may take."""

    overlap: timedelta = timedelta(hours=2)
    patience: Patience = field(default_factory=Patience)


class SweepActivities:
    """Ports injected; one instance serves all channels of a worker."""

    def __init__(
        self,
        storefronts: Mapping[str, StorefrontPort],
        erp: ErpPort,
        orders: Orders,
        database: Database,
        rules: SweepRules,
        *,
        batch: timedelta = BATCH,
        sign_of_life: timedelta = SIGN_OF_LIFE,
    ) -> None:
        self._storefronts = storefronts
        self._erp = erp
        self._knowledge = SweepKnowledge(erp, orders, database)
        self._certificates = Certificates(database)
        self._rhythms = Rhythms(database)
        self._rules = rules
        self._batch = batch.total_seconds()
        self._sign_of_life = sign_of_life.total_seconds()

    @activity.defn
    async def open_sweep(self, request: OpenSweep) -> SweepProgress:
        """Say which window is to be covered. Asks no system."""
        if request.channel not in self._storefronts:
            raise ApplicationError(
                f"channel {request.channel!r} is not set up here; set it, or delete the schedule "
                f"sweep:{request.channel}",
                type="ChannelUnknown",
                non_retryable=True,
            )
        coverage = await asyncio.to_thread(self._certificates.coverage, request.channel)
        began = coverage.began
        if began is not None and coverage.watermark is None:
            began = max(began, request.now - FIRST_REACH)
        window = next_window(
            request.now, watermark=coverage.watermark, began=began, overlap=self._rules.overlap
        )
        if request.hours is not None:
            since = (request.now - timedelta(hours=request.hours)).replace(microsecond=0)
            window = SweepWindow(since=min(since, window.before), before=window.before)
        return SweepProgress(
            channel=request.channel,
            window=window,
            began=began or window.before,
            left=coverage.open,
            repaired=coverage.repaired,
        )

    @activity.defn
    async def compare_orders(self, request: CompareOrders) -> SweepProgress:
        """Compare page by page until the batch is over.

        No answer of a system ends the sweep: a refusal too is tried again, for the window moves on no sooner.
        """
        progress = request.progress
        now = asyncio.get_running_loop().time
        end = now() + self._batch
        async with alive(activity.heartbeat, self._sign_of_life):
            try:
                while progress.phase is not SweepPhase.DONE:
                    progress = await self._page(request, progress).next_page()
                    if now() > end or activity.is_worker_shutdown():
                        break
            except AdapterError as error:
                raise never_final(as_application_error(error, activity.info().attempt)) from error
        return progress

    @activity.defn
    async def keep_certificates(self, request: KeepCertificates) -> SweepReport:
        """Keep what was found. The watermark moves here and nowhere else, once all was compared."""
        progress = request.progress
        tallies = (progress.orders, progress.shipments)
        await asyncio.to_thread(
            self._certificates.keep,
            request.sweep_id,
            progress.channel,
            progress.window,
            tallies,
            began=progress.began,
            also=report_findings,
        )
        silence = await self._silence(progress.channel, request.now)
        for tally in tallies:
            for finding in tally.findings:
                log.warning(
                    "sweep: %s %s: %s", finding.number, finding.explanation, finding.sentence,
                    extra={"order": str(finding.key)},
                )  # fmt: skip
            log.info("sweep of %s, %s: %s", progress.channel, progress.window, tally.sentence)
        return SweepReport(
            sweep_id=request.sweep_id,
            channel=progress.channel,
            window=progress.window,
            sentences=tuple(tally.sentence for tally in tallies),
            unexplained=sum(tally.unexplained for tally in tallies),
            repaired=sum(sum(tally.repaired.values()) for tally in tallies),
            silence=silence.sentence if silence.alarm_since else "",
        )

    @activity.defn
    async def check_silence(self, request: CheckSilence) -> SilenceChecked:
        """Look at every channel: is it silent for longer than its own rhythm allows? Asks no system."""
        silent = []
        for channel in self._storefronts:
            found = await self._silence(channel, request.now)
            if found.alarm_since is not None:
                log.warning("%s", found.sentence)
                silent.append(channel)
        return SilenceChecked(silent=tuple(silent))

    async def _silence(self, channel: str, now: datetime) -> ChannelSilence:
        return await asyncio.to_thread(self._rhythms.check, channel, now, report_silence)

    def _page(self, request: CompareOrders, progress: SweepProgress) -> Comparison:
        storefront = self._storefronts[progress.channel]
        return Comparison(storefront, self._erp, self._knowledge, self._rules.patience, request, progress)

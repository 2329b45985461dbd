"""What the workflow of an order does, in short, with the real activities: one message after the other."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import StrEnum
from functools import partial
from random import Random
from typing import Any, Final, TypeVar

from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.contracts import (
    AmendOrder,
    CancelOrder,
    CloseOrder,
    ReadOrder,
    ReportShipment,
    SubmitOrder,
)
from activities.orders import OrderActivities
from domain.erp_order import ErpOrder, ErpOrderState, ErpShipment, ErpShipmentState
from domain.order import Order, OrderKey
from store.errors import DatabaseUnavailable

CRASHES: Final = 0.03
"""The part of all attempts in which the worker dies."""
_Out = TypeVar("_Out")


class Heard(StrEnum):
    """What an order is told."""

    WEBHOOK = "webhook"
    ERP = "erp"
    CANCEL = "cancel"
    """An operator wants it canceled."""


class Stopped(Exception):
    """A person would have to decide; here nobody does."""


class Life:
    """One order. ``erp_now`` tells the ERP's order as the change feed would; ``heard`` is told what we read."""

    def __init__(
        self,
        key: OrderKey,
        acts: OrderActivities,
        erp_now: Callable[[OrderKey], ErpOrder | None],
        heard: Callable[[Order], None],
        dice: Random,
    ) -> None:
        self._key, self._acts, self._erp_now, self._dice = key, acts, erp_now, dice
        self._heard = heard
        self._news: asyncio.Queue[Heard] = asyncio.Queue()
        self._order: Order | None = None
        self._given: Order | None = None
        self._erp: ErpOrder | None = None
        self._mapping = ""
        self._revision = 0
        self._told: dict[str, str] = {}
        self._cancel = False
        self.ended = False
        self.stopped = False
        """A person would have to decide."""
        self.idle = True

    def hear(self, heard: Heard) -> None:
        """Tell it something."""
        self._news.put_nowait(heard)
        self.idle = False

    async def live(self) -> None:
        """For ever: until the race is over."""
        while True:
            heard = await self._news.get()
            try:
                await self._take(heard)
            except Stopped:
                self.ended = self.stopped = True
            self.idle = self._news.empty()

    async def _take(self, heard: Heard) -> None:
        if self.ended:
            return
        if heard is Heard.ERP:
            self._erp = self._erp_now(self._key) or self._erp
        self._cancel = self._cancel or (heard is Heard.CANCEL and self._erp is not None)
        if heard is Heard.WEBHOOK:
            read = await self._do(
                self._acts.read_order,
                lambda n: ReadOrder(
                    key=self._key, revision=n, first=self._order is None, submitted=self._erp is not None
                ),
            )
            self._heard(read.order)
            self._order, self._mapping = read.order, self._mapping or read.mapping_version
        if self._order is not None:
            await self._go_on(self._order)

    async def _go_on(self, order: Order) -> None:
        if self._cancel or order.canceled_at is not None:
            await self._end()
            return
        if self._erp is None:
            await asyncio.sleep(self._dice.random() * 5)
            self._erp = await self._do(
                self._acts.submit_order,
                lambda n: SubmitOrder(order=order, mapping_version=self._mapping, revision=n),
            )
            self._given = order
        elif self._given is not None and order.lines != self._given.lines:
            amended = await self._do(
                self._acts.amend_order,
                lambda n: AmendOrder(order=order, mapping_version=self._mapping, revision=n, edit="edited"),
            )
            self._erp, self._given = amended.erp, order
        await self._report(self._erp)

    async def _report(self, erp: ErpOrder) -> None:
        for shipment in erp.shipments:
            if shipment.state is not ErpShipmentState.SHIPPED or shipment.shipment_id in self._told:
                continue
            delivered: dict[str, int] = {}
            for each in erp.shipments:
                if each.shipment_id in {*self._told, shipment.shipment_id}:
                    for part in each.lines:
                        delivered[part.line_id] = delivered.get(part.line_id, 0) + part.quantity
            ask = partial(self._shipment, shipment, delivered)
            reported = await self._do(self._acts.report_shipment, ask)
            self._told[shipment.shipment_id] = reported.fulfillment_id
        if erp.state is ErpOrderState.DONE:
            closing = await self._do(
                self._acts.close_order,
                lambda n: CloseOrder(key=self._key, mapping_version=self._mapping, revision=n),
            )
            self.ended = closing.report.balanced

    def _shipment(self, shipment: ErpShipment, delivered: dict[str, int], number: int) -> ReportShipment:
        return ReportShipment(
            key=self._key,
            mapping_version=self._mapping,
            shipment=shipment,
            delivered=delivered,
            # Lines are named after their SKUs.
            sent={part.line_id: part.quantity for part in shipment.lines},
            known_fulfillment_ids=tuple(self._told.values()),
            revision=number,
        )

    async def _end(self) -> None:
        def wish(number: int) -> CancelOrder:
            return CancelOrder(key=self._key, actor="somebody", reason="not wanted", revision=number)

        canceled = await self._do(self._acts.cancel_in_erp, wish)
        if canceled.canceled:
            await self._do(self._acts.cancel_in_storefront, wish)
            self.ended = True
        self._cancel = False

    async def _do(self, act: Callable[[Any], Awaitable[_Out]], ask: Callable[[int], Any]) -> _Out:
        """Until it is done, as Temporal would. Raises Stopped where it is refused."""
        self._revision += 1
        request, attempt = ask(self._revision), 0
        while True:
            attempt += 1
            environment = ActivityEnvironment()
            environment.info = replace(environment.info, attempt=attempt)
            doing = asyncio.ensure_future(environment.run(act, request))
            if self._dice.random() < CRASHES:
                await asyncio.wait([doing], timeout=self._dice.random() * 5)
                doing.cancel()
            try:
                return await doing
            except ApplicationError as error:
                if error.non_retryable:
                    raise Stopped(str(error)) from None
            except (DatabaseUnavailable, asyncio.CancelledError):
                if (here := asyncio.current_task()) is not None and here.cancelling():
                    raise
            await asyncio.sleep(1 + self._dice.random() * 8)

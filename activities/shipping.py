"""What a shipment does to the storefront: a fulfillment, once, and the money for what was delivered or is due next."""

import asyncio
from collections.abc import Mapping as MappingOf
from datetime import UTC, datetime
from decimal import Decimal

from activities.contracts import MoneySoFar, ReportShipment
from adapters.ports import StorefrontPort
from adapters.requests import CaptureRequest, FulfillmentRequest
from domain.capture import plan_captures
from domain.mapping import Mapping
from domain.order import FulfillmentLine, Order, OrderKey
from domain.payment_outlook import PaymentOutlook, look_ahead
from domain.payment_rules import PaymentRules
from store.crosswalk import Crosswalk, Link


class Shipping:
    """Finds or makes fulfillments; remembers in the crosswalk which shipment each of them tells of."""

    def __init__(self, crosswalk: Crosswalk) -> None:
        self._crosswalk = crosswalk

    async def fulfill(
        self, storefront: StorefrontPort, request: ReportShipment, mapping: Mapping
    ) -> tuple[str, Order]:
        """The id of the shipment's fulfillment, found or created, and the order with it.

        A fulfillment that was canceled in the storefront since is made anew: the parcel is on its way all the same,
        and the ERP is who knows.
        """
        key = request.key
        canonical_id = _shipment_named(key, request.shipment.shipment_id)
        known = await asyncio.to_thread(self._crosswalk.external_id, "shipment", canonical_id, key.channel)
        if known is not None:
            order = await storefront.read_order(key.external_id)
            if any(fulfillment.fulfillment_id == known for fulfillment in order.fulfillments):
                return known, order
            await asyncio.to_thread(self._crosswalk.forget, _link(key, canonical_id, known))
        made = await self._create(storefront, request, mapping, canonical_id)
        return made, await storefront.read_order(key.external_id)

    async def links_of(self, key: OrderKey, told: dict[str, str]) -> tuple[Link, ...]:
        """Links of shipments that the storefront told of (shipment id -> fulfillment id), for the order's next life.

        A fulfillment has one counterpart: of several shipments that one tells of, the first, and none where it has one.
        """
        first = {fulfillment: shipment for shipment, fulfillment in reversed(told.items())}
        links = [_link(key, _shipment_named(key, shipment), made) for made, shipment in first.items()]
        known = [
            await asyncio.to_thread(self._crosswalk.canonical_id, x.kind, x.system, x.external_id)
            for x in links
        ]
        return tuple(
            link for link, name in zip(links, known, strict=True) if name in {None, link.canonical_id}
        )

    async def _create(
        self, storefront: StorefrontPort, request: ReportShipment, mapping: Mapping, canonical_id: str
    ) -> str:
        """Find or create the shipment's fulfillment and note its id.

        It is noted before any money is taken: where the capture is refused and the warehouse meanwhile corrects the
        tracking number, the shipment is still known by its link.
        """
        key, shipment = request.key, request.shipment
        fulfillment = await storefront.create_fulfillment(
            FulfillmentRequest(
                key=key,
                location=mapping.location_of(shipment.warehouse),
                lines=tuple(
                    FulfillmentLine(line_id=line.line_id, quantity=line.quantity) for line in shipment.lines
                ),
                carrier=mapping.carrier_name(shipment.carrier) if shipment.carrier else None,
                tracking_number=shipment.tracking_number or shipment.number,
                more_tracking=request.more_tracking,
                known_fulfillment_ids=request.known_fulfillment_ids,
            )
        )
        link = _link(key, canonical_id, fulfillment.fulfillment_id)
        await asyncio.to_thread(self._crosswalk.link, link)
        return fulfillment.fulfillment_id


def _shipment_named(key: OrderKey, shipment_id: str) -> str:
    return f"{key}/{shipment_id}"


def _link(key: OrderKey, canonical_id: str, fulfillment_id: str) -> Link:
    return Link(kind="shipment", canonical_id=canonical_id, system=key.channel, external_id=fulfillment_id)


async def capture(
    storefront: StorefrontPort,
    order: Order,
    delivered: MappingOf[str, int],
    rules: PaymentRules,
    given_back: Decimal = Decimal(0),
) -> Order:
    """Capture what the rules let be taken once so many units are delivered; returns the order with its captures.

    ``given_back``: see ``domain.capture.plan_captures``.
    """
    if not storefront.capabilities.capture:
        return order
    payments = {p.payment_id: p for p in order.payments}
    for step in plan_captures(order, delivered, rules, datetime.now(UTC), given_back):
        captures = await storefront.capture_payment(
            CaptureRequest(
                key=order.key,
                authorization_id=step.authorization_id,
                capture_up_to=step.capture_up_to,
            )
        )
        payments.update({p.payment_id: p for p in captures})
    return order.model_copy(update={"payments": tuple(payments.values())})


def outlook_of(
    storefront: StorefrontPort, order: Order, mapping: Mapping, so_far: MoneySoFar
) -> PaymentOutlook:
    """What the payments of an order that was just read ask for next."""
    return look_ahead(
        order,
        mapping,
        datetime.now(UTC),
        captures=storefront.capabilities.capture,
        fees=so_far.fees,
        given_back=so_far.given_back,
    )

"""The gauges of the store: what they tell, with which labels, and what they do when the store is away."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from config.metrics import METRICS
from domain.cases import CaseReport
from domain.order import OrderKey
from domain.status import OrderStatus
from store.case_tables import report_case
from store.connections import Connections
from store.database import Database
from store.errors import DatabaseUnavailable
from store.figures import Figures, read_figures
from store.inbox import Inbox, Received
from store.order_view import OrderPatch, apply_patch
from tests.telemetry_fixture import Measured
from web.gauges import StoreGauges

NOW = datetime.now(UTC)


def measured(read: Callable[[datetime], Figures]) -> Measured:
    reader = InMemoryMetricReader()
    StoreGauges(read, MeterProvider([reader]).get_meter("test"), fresh_seconds=0)
    return Measured(reader)


def put_order(db: Database, number: str, status: OrderStatus, **patch: object) -> OrderKey:
    key = OrderKey(channel="shop", external_id=number)
    with db.write() as session:
        apply_patch(session, key, 1, OrderPatch(status=status, placed_at=NOW, **patch))
    return key


def test_orders_cases_and_money_are_told(db: Database):
    waits = put_order(db, "1", OrderStatus.RECEIVED, total=Decimal("10.50"), currency="USD")
    put_order(db, "2", OrderStatus.RECEIVED)
    put_order(db, "3", OrderStatus.CLOSED)
    with db.write() as session:
        report_case(session, CaseReport(cause="product_unknown:tryton:TEE", reason="no TEE", key=waits))
    # Not NOW: in a long run this module was imported minutes ago.
    later = datetime.now(UTC) + timedelta(days=30)
    told = measured(lambda _now: read_figures(db, later))
    assert told.value("orderwright.orders", channel="shop", status="received") == 2
    assert told.value("orderwright.orders", channel="shop", status="closed") == 1
    assert told.value("orderwright.orders.waiting", channel="shop") == 1
    assert told.value("orderwright.orders.waiting.oldest", channel="shop") == pytest.approx(
        30 * 86400, abs=60
    )
    assert told.value("orderwright.cases", family="product_unknown") == 1
    assert told.value("orderwright.cases.overdue", family="product_unknown") == 1
    assert told.value("orderwright.cases.money_at_risk", family="product_unknown", currency="USD") == 10.5


def test_inbox_and_connections_are_told(db: Database):
    inbox = Inbox(db, clock=lambda: NOW - timedelta(seconds=90))
    inbox.add(
        Received(
            channel="shop", delivery_id="d1", topic="orders/create", external_id="1", headers={}, body=b"{}"
        )
    )
    connections = Connections(db)
    connections.note_up("erp", NOW)
    connections.note_away("shop", "refused", NOW - timedelta(seconds=40), NOW)
    told = measured(lambda _now: read_figures(db, NOW))
    assert told.value("orderwright.inbox.pending") == 1
    assert told.value("orderwright.inbox.oldest") == pytest.approx(90)
    assert told.value("orderwright.connection.up", system="erp") == 1
    assert told.value("orderwright.connection.up", system="shop") == 0
    assert told.value("orderwright.connection.away", system="shop") == pytest.approx(40)
    assert told.value("orderwright.connection.away", system="erp") == 0


def test_an_empty_store_tells_zeros_where_zero_is_the_truth(db: Database):
    told = measured(partial(read_figures, db))
    assert told.points()["orderwright.inbox.oldest"] == {frozenset(): 0}
    assert told.points()["orderwright.store.read"] == {frozenset(): 1}


def test_a_store_that_is_away_makes_no_gauge_lie():
    def away(_now: datetime) -> Figures:
        raise DatabaseUnavailable("gone")

    assert measured(away).points() == {"orderwright.store.read": {frozenset(): 0}}


def test_labels_are_those_of_the_list(db: Database):
    key = put_order(db, "1", OrderStatus.RECEIVED, total=Decimal(1), currency="USD")
    Connections(db).note_up("erp", NOW)
    with db.write() as session:
        report_case(session, CaseReport(cause="silence:shop", reason="silent", key=key))
    known = {metric.name: set(metric.labels) for metric in METRICS}
    for name, points in measured(partial(read_figures, db)).points().items():
        for labels in points:
            assert {label for label, _ in labels} == known[name], name

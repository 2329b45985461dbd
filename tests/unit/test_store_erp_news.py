"""The change feed tells an order only what it was not told yet."""

from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState
from domain.planning import plan_sales_order
from store.database import Database
from store.erp_news import news_among, remember
from tests.order_builder import make_erp_order, make_order, make_shipment, sandbox_mapping


def erp_order(external_id: str, shipment: ErpShipmentState, **overrides: object) -> ErpOrder:
    sales_order = plan_sales_order(make_order(external_id), sandbox_mapping())
    return make_erp_order(sales_order, [make_shipment({"11": 1}, state=shipment)], **overrides)


def test_only_the_orders_of_a_page_that_changed_are_news(db: Database) -> None:
    told, changed = (erp_order(name, ErpShipmentState.WAITING) for name in ("1", "2"))
    remember(db, [told, changed])
    picked = erp_order("1", ErpShipmentState.PICKED)
    shipped = erp_order("2", ErpShipmentState.SHIPPED)
    assert news_among(db, [told, changed, picked]) == ()
    assert news_among(db, [picked, shipped]) == (shipped,)
    remember(db, [shipped])
    assert news_among(db, [picked, shipped]) == ()


def test_of_an_order_that_is_being_submitted_only_what_left_or_was_canceled_is_news(db: Database) -> None:
    waiting = erp_order("1", ErpShipmentState.WAITING)
    shipped = erp_order("2", ErpShipmentState.SHIPPED)
    canceled = erp_order("3", ErpShipmentState.CANCELED, state=ErpOrderState.CANCELED)
    assert news_among(db, [waiting, shipped, canceled]) == (shipped, canceled)


def test_an_empty_page_holds_no_news(db: Database) -> None:
    remember(db, [])
    assert news_among(db, []) == ()

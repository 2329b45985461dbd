"""The change feed tells an order only what it was not told yet."""

from domain.erp_order import (
    ErpOrder,
    ErpOrderState,
    ErpReturn,
    ErpReturnState,
    ErpShipmentState,
    ShipmentLine,
)
from domain.planning import plan_sales_order
from store.database import Database
from store.erp_news import News, listen_to_hands, news_among, remember
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
    assert news_among(db, [picked, shipped]) == (News(erp=shipped),)
    remember(db, [shipped])
    assert news_among(db, [picked, shipped]) == ()


def test_an_order_that_waits_for_the_warehouse_hears_of_what_is_picked_and_put_back(db: Database) -> None:
    picked = erp_order("1", ErpShipmentState.PICKED)
    back = erp_order("1", ErpShipmentState.WAITING)
    remember(db, [picked])
    assert news_among(db, [back]) == ()
    listen_to_hands(db, picked.key)
    assert news_among(db, [picked]) == (News(erp=picked),), "what happened while it was asked is not lost"
    listen_to_hands(db, picked.key, picked)
    assert news_among(db, [picked]) == ()
    assert news_among(db, [back]) == (News(erp=back),)
    remember(db, [back])
    assert news_among(db, [back]) == ()
    assert news_among(db, [picked]) == (News(erp=picked),)


def test_of_an_order_that_is_being_submitted_only_what_left_or_was_canceled_is_news(db: Database) -> None:
    waiting = erp_order("1", ErpShipmentState.WAITING)
    shipped = erp_order("2", ErpShipmentState.SHIPPED)
    canceled = erp_order("3", ErpShipmentState.CANCELED, state=ErpOrderState.CANCELED)
    assert news_among(db, [waiting, shipped, canceled]) == (News(erp=shipped), News(erp=canceled))


def test_an_empty_page_holds_no_news(db: Database) -> None:
    remember(db, [])
    assert news_among(db, []) == ()


def with_returns(order: ErpOrder, units: dict[str, int]) -> ErpOrder:
    """So many units of line 11 came in of each return."""
    returns = tuple(
        ErpReturn(
            return_id=return_id,
            number=f"RET-{return_id}",
            state=ErpReturnState.RECEIVED if came else ErpReturnState.EXPECTED,
            received=(ShipmentLine(line_id="11", quantity=came),) if came else (),
        )
        for return_id, came in units.items()
    )
    return order.model_copy(update={"returns": returns})


def test_goods_that_came_back_are_news_to_their_return_alone(db: Database) -> None:
    waiting = erp_order("1", ErpShipmentState.WAITING)
    expected = with_returns(waiting, {"a": 0, "b": 0})
    remember(db, [expected])
    assert news_among(db, [expected]) == ()
    came = with_returns(waiting, {"a": 1, "b": 0})
    assert news_among(db, [came]) == (News(erp=came, returns_alone=("a",)),)
    remember(db, [came])
    assert news_among(db, [came]) == ()
    both = with_returns(waiting, {"a": 1, "b": 2, "c": 1})
    assert news_among(db, [both]) == (News(erp=both, returns_alone=("b", "c")),)
    left = with_returns(erp_order("1", ErpShipmentState.SHIPPED), {"a": 1, "b": 2})
    assert news_among(db, [left]) == (News(erp=left),), "a parcel is the order's to know, with all the rest"
    gone = with_returns(waiting, {"b": 0})
    assert news_among(db, [gone]) == (News(erp=gone),)

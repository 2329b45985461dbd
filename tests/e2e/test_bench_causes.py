"""``bench.causes``, small and without its times: twelve causes of trouble, each solved by one command."""

from decimal import Decimal

from adapters.memory.storefront import MemoryStorefront
from bench.books import compare_books
from bench.causes import FEWEST_ORDERS, Options, troubled_run
from bench.troubles import TROUBLES, order_at, places, strict_erp
from bench.world import CHANNEL
from domain.planning import plan_sales_order
from tests.order_builder import sandbox_mapping


async def test_twelve_causes_are_twelve_cases_each_solved_by_one_command_and_every_order_balances():
    times, solved = await troubled_run(Options(FEWEST_ORDERS, rate=12.0, rounds=1))
    assert solved.problems == []
    assert [row[0] for row in solved.rows] == list(dict.fromkeys(filter(None, places(FEWEST_ORDERS))))
    assert len(solved.rows) == len(TROUBLES) == 12
    assert solved.balanced == FEWEST_ORDERS
    assert len(times.to_closed) == places(FEWEST_ORDERS).count(None)


def test_the_shares_are_those_that_the_benchmark_claims():
    mixed = places(200)
    assert [mixed.count(name) for name in TROUBLES] == [40, *[8] * 11]
    assert mixed.count(None) == 72


async def test_the_books_tell_what_is_wrong_order_by_order():
    storefront, erp = MemoryStorefront(CHANNEL), strict_erp()
    order = order_at(1, None)
    storefront.place(order)
    assert compare_books(storefront, erp, [order.key]) == {order.key: ("not in the ERP",)}
    await erp.submit_order(plan_sales_order(order, sandbox_mapping()))
    erp.ship_all(order.key)
    held = erp.orders[order.key]
    erp.keep(held.model_copy(update={"total": held.total + Decimal("0.01")}))
    erp.enter_by_hand(order.number, order.key)
    words = "; ".join(compare_books(storefront, erp, [order.key])[order.key])
    assert "orders: store 1, ERP 2" in words
    assert f"total: store {order.total}, ERP {order.total + Decimal('0.01')}" in words
    assert "parcels: store 0, ERP 2" in words
    assert "fulfilled: 0 of 5 units" in words
    assert f"captured: 0.00 of {order.total}" in words
    assert f"line {order.lines[0].line_id}: 2 ordered, 2 shipped, 0 told" in words

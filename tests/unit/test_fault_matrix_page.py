"""The fault matrix in the docs has a row for every call of the ports and a column for every fault there is."""

import pytest

from adapters.ports import ErpPort, Probe, StorefrontPort
from adapters.stock_ports import ErpStockPage, ErpStockPort
from domain.stock import ErpStock
from sandbox.faults.rules import Fault
from tests.chaos.calls import CALLS, ERP, STOCK_CALLS, STOREFRONT, Call, calls_of, wire_calls
from tests.chaos.page import agree, read, table
from tests.chaos.spoiled import MemoryFault, altered
from tests.chaos.wire_faults import WIRE_FAULTS


@pytest.mark.parametrize(("system", "port"), [(ERP, ErpPort), (STOREFRONT, StorefrontPort)])
def test_the_calls_are_those_of_the_ports(system, port):
    assert {call.operation for call in (*CALLS, *STOCK_CALLS) if call.system == system} == {
        name for name in dir(port) if not name.startswith("_") and name not in {"capabilities", "close"}
    }


@pytest.mark.parametrize(
    ("name", "port", "rows"), [("memory", ErpPort, CALLS), ("memory-stock", ErpStockPort, STOCK_CALLS)]
)
def test_a_new_method_of_a_port_is_a_new_row(name, port, rows):
    class Larger(port):
        async def split_order(self) -> None: ...

    new = set(calls_of(ERP, Larger)) - set(calls_of(ERP, port))
    assert new == {Call(ERP, "split_order")}
    with pytest.raises(KeyError, match="split_order"):
        table([*rows, *new], MemoryFault, read(name))


def test_an_answer_of_a_shape_that_nobody_has_named_is_not_spoiled():
    with pytest.raises(AssertionError, match="Probe"):
        altered((Probe(ok=True, detail=""),), MemoryFault.WRONG_TOTAL)


def test_one_unit_more_is_told_of_every_level():
    level = ErpStock(product="MUG", warehouse="EAST", on_hand=3)
    page = ErpStockPage(levels=(level, level), cursor="1")
    assert [each.on_hand for each in altered(page, MemoryFault.WRONG_TOTAL).levels] == [4, 4]


def test_every_fault_of_the_proxy_is_a_column():
    assert {told["fault"] for told in WIRE_FAULTS.values()} == set(Fault)


@pytest.mark.parametrize(
    ("name", "calls", "faults"),
    [
        ("memory", CALLS, [*MemoryFault]),
        ("memory-stock", STOCK_CALLS, [*MemoryFault]),
        (STOREFRONT, wire_calls(STOREFRONT), [*WIRE_FAULTS]),
        (ERP, wire_calls(ERP), [*WIRE_FAULTS]),
    ],
)
def test_the_table_has_a_cell_for_every_call_and_fault_and_no_other(name, calls, faults):
    cells = read(name)
    assert set(cells) == {(str(call), str(fault)) for call in calls for fault in faults}
    assert all(cells.values())
    assert "FAILED" not in cells.values()


@pytest.mark.parametrize(
    ("seen", "kept", "same"),
    [
        ("waited", "waited", True),
        ("looked up, one", "looked up, one", True),
        ("looked up, one", "read again, one", False),
        ("carried on", "waited", False),
        ("case: unbalanced", "case: amounts_differ, unbalanced", True),
        ("case: unbalanced", "unbalanced", False),
        ("case: closed_period", "case: amounts_differ, unbalanced", False),
        ("looked up, one, waited", "looked up, one", True),
        ("waited, looked up, one", "waited", False),
        ("FAILED", "waited", False),
    ],
)
def test_a_run_agrees_with_the_table_or_not(seen, kept, same):
    assert agree(seen, kept) is same

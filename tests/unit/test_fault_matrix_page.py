"""The fault matrix in the docs has a row for every call of the ports and a column for every fault there is."""

import pytest

from adapters.ports import ErpPort, StorefrontPort
from sandbox.faults.rules import Fault
from tests.chaos.calls import CALLS, ERP, STOREFRONT, Call, calls_of, wire_calls
from tests.chaos.page import agree, read, table
from tests.chaos.spoiled import MemoryFault
from tests.chaos.wire_faults import WIRE_FAULTS


def test_the_calls_are_those_of_the_ports():
    assert {call.operation for call in CALLS if call.system == ERP} == {
        name for name in vars(ErpPort) if not name.startswith("_") and name not in {"capabilities", "close"}
    }
    assert {call.operation for call in CALLS if call.system == STOREFRONT} == {
        name
        for name in vars(StorefrontPort)
        if not name.startswith("_") and name not in {"capabilities", "close"}
    }


def test_a_new_method_of_a_port_is_a_new_row():
    class Larger(ErpPort):
        async def split_order(self) -> None: ...

    assert calls_of(ERP, Larger) == (Call(ERP, "split_order"),)
    with pytest.raises(KeyError, match="split_order"):
        table(calls_of(ERP, Larger), MemoryFault, read("memory"))


def test_every_fault_of_the_proxy_is_a_column():
    assert {told["fault"] for told in WIRE_FAULTS.values()} == set(Fault)


@pytest.mark.parametrize(
    ("name", "calls", "faults"),
    [
        ("memory", CALLS, [*MemoryFault]),
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

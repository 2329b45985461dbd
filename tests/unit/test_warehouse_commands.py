"""The warehouse's commands say what is wrong before they ask the ERP, and find the running stack by its folder."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sandbox.addresses import Addresses
from sandbox.processes import free_port
from sandbox.running import NotUp, order_number, running_stack
from sandbox.store.__main__ import app as store
from sandbox.warehouse import app as warehouse


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where nothing runs."""
    monkeypatch.delenv("ORDERWRIGHT_SANDBOX_STORE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left_by_a_stack(folder: Path) -> Addresses:
    """What ``up`` leaves, of a stack that is down by now."""
    here = f"http://127.0.0.1:{free_port()}"
    texts = dict.fromkeys((name for name in Addresses.__dataclass_fields__ if name != "erp_reserves"), here)
    where = Addresses(**texts)
    file = folder / "var" / "up" / "stack.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(asdict(where)))
    return where


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ship", "shop:5001"), "start it in this folder with: orderwright up"),
        (("ship", "#1001"), "'#1001' is no order; name it as orderwright order list does: shop:5001"),
        (("receive", "shop:5001", "TEE-BLK-S"), "not of the form SKU=UNITS"),
        (("receive", "shop:5001", "TEE-BLK-S=0"), "not of the form SKU=UNITS"),
        (("receive", "shop:5001", "--unannounced-at", "WH-EAST"), "say what came"),
        (("receive", "5001", "TEE-BLK-S=1", "--unannounced-at", "EAST"), "no warehouse 'EAST'"),
        (("count", "NOPE", "3"), "there is no product 'NOPE'"),
        (("count", "MUG-LOGO", "3", "--at", "EAST"), "there are WH-EAST, WH-WEST"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_mistakes_are_answered_with_their_remedy(arguments, words):
    result = CliRunner().invoke(warehouse, arguments)
    assert result.exit_code == 1
    assert words in result.stderr


def test_an_erp_that_is_down_is_told(folder):
    left_by_a_stack(folder)
    result = CliRunner().invoke(warehouse, ["ship", "shop:5001"])
    assert result.exit_code == 1
    assert "is the stack up?" in result.stderr


def test_the_stores_commands_find_the_running_stack(folder):
    with pytest.raises(NotUp):
        running_stack()
    where = left_by_a_stack(folder)
    assert running_stack() == where
    assert f"no store answers at {where.store}" in CliRunner().invoke(store, ["show", "shop:5001"]).output
    assert "is no order" in CliRunner().invoke(store, ["show", "#1001"]).output


def test_an_order_is_named_as_lists_name_it():
    assert order_number(" shop:5001 ") == order_number("5001") == 5001

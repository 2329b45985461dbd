"""``python -m sandbox.store``, as a person uses it against a running store."""

import json

from typer.testing import CliRunner, Result

from sandbox.processes import free_port
from sandbox.store.__main__ import app
from tests.running_store import RunningStore


def run(store: RunningStore, *words: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, [*words, "--url", store.url], input=given)


def test_an_order_from_the_shell(store: RunningStore) -> None:
    wanted = json.dumps({"lines": [{"sku": "TEE-BLK-S", "quantity": 2}], "taxes": ["VAT-20"]})
    placed = run(store, "place", wanted)
    assert placed.exit_code == 0
    assert (json.loads(placed.stdout)["id"], json.loads(placed.stdout)["total"]) == (5001, "47.76")
    assert json.loads(run(store, "place", "-", given=wanted).stdout)["name"] == "#1002"

    edited = json.loads(run(store, "edit", "5001", "1").stdout)
    assert edited["lines"][0]["current"] == 1
    canceled = json.loads(run(store, "cancel", "5002").stdout)
    assert canceled["canceled"] is True
    listed = run(store, "list").stdout.splitlines()
    assert listed == [
        "5001  #1001  23.88 USD  AUTHORIZED  UNFULFILLED",
        "5002  #1002  0.00 USD  VOIDED  UNFULFILLED  canceled",
    ]
    assert json.loads(run(store, "show", "5001").stdout) == edited


def test_knobs_from_the_shell(store: RunningStore) -> None:
    shown = json.loads(run(store, "webhooks", '{"delay": 1.5}').stdout)
    assert shown["knobs"]["delay"] == 1.5
    assert "secret" not in shown["knobs"]
    run(store, "webhooks", '{"delay": 0}')
    refused = run(store, "webhooks", '{"dealy": 0}')
    assert refused.exit_code == 1
    assert "no knob 'dealy'" in refused.output


def test_mistakes_are_told_with_their_remedy(store: RunningStore) -> None:
    wrong = run(store, "place", '{"lines": [{"sku": "CAP-BLK", "price": 1.5}]}')
    assert wrong.exit_code == 2
    assert "money must be a decimal string" in wrong.output
    refused = run(store, "place", '{"lines": [{"sku": "NOPE"}]}')
    assert refused.exit_code == 1
    assert "no product with SKU 'NOPE'" in refused.output
    assert run(store, "reset").exit_code == 2
    away = CliRunner().invoke(app, ["list", "--url", f"http://127.0.0.1:{free_port()}"])
    assert away.exit_code == 1
    assert "no store answers at" in away.output

"""What commands say of an operator's message that is taken but not done, and of one for an order that is over."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
import typer

from domain.order import OrderKey
from domain.status import OrderStatus
from orderwright.order_messages import tell_answer
from orderwright.terminal import UNDER_WAY, Invocation
from store.connections import Connections
from store.database import Database
from store.order_view import OrderSummary
from web.desk.looking import not_under_way
from web.desk.operations import Taken, order_carried
from workflows.messages import OperatorAnswer

KEY = OrderKey(channel="shop", external_id="5001")
AT = datetime(2026, 11, 27, 14, 47, tzinfo=UTC)


@pytest.fixture
def ctx(tmp_path: Path) -> typer.Context:
    """Called with settings of a store in which the ERP is away."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    database = Database(url)
    database.migrate()
    now = datetime.now(UTC)
    Connections(database).note_away("erp", "cannot be reached", now, now + timedelta(seconds=5))
    database.close()
    settings = tmp_path / "env"
    settings.write_text(f"ORDERWRIGHT_DATABASE_URL={url}\n")
    return typer.Context(click.Command("cancel"), obj=Invocation(settings))


def test_what_is_taken_is_told_with_what_it_waits_for_and_has_a_status_of_its_own(ctx, capsys):
    taken = Taken(waits_for="canceling the order in the ERP", waits_on="erp")
    with pytest.raises(typer.Exit) as ended:
        tell_answer(ctx, order_carried(KEY), str(KEY), taken, as_json=False)
    assert ended.value.exit_code == UNDER_WAY
    told = capsys.readouterr().out
    assert told.startswith(
        "shop:5001: Taken; waits for: canceling the order in the ERP; the ERP is away since "
    )
    assert ". It is done by itself. See: " in told
    assert told.endswith("See: orderwright order show shop:5001\n")


def test_programs_are_told_the_same_apart(ctx, capsys):
    with pytest.raises(typer.Exit):
        tell_answer(ctx, order_carried(KEY), str(KEY), Taken(), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["done"], told["taken"]) == (False, True)
    assert told["text"].startswith("Taken. It is done by itself.")


def test_what_is_refused_has_failed(ctx):
    with pytest.raises(typer.Exit) as ended:
        tell_answer(ctx, order_carried(KEY), "", OperatorAnswer(done=False, text="Refused."), as_json=False)
    assert ended.value.exit_code == 1


def row(status: OrderStatus, closed_at: datetime | None, shipments: int = 0) -> OrderSummary:
    unknown = dict.fromkeys(("erp_number", "currency", "total", "captured", "erp_total", "placed_at"))
    return OrderSummary(
        key=KEY,
        number="#1001",
        status=status,
        waiting_for="",
        problem="",
        shipments=shipments,
        closed_at=closed_at,
        updated_at=AT,
        **unknown,
    )


def test_an_order_that_is_over_is_told_with_its_end_and_what_can_still_be_done():
    closed = str(not_under_way(KEY, row(OrderStatus.CLOSED, AT, shipments=1)))
    assert closed.startswith(
        "order shop:5001 is closed since 2026-11-27 14:47 UTC; goods of it can be taken back"
    )
    assert "orderwright order return shop:5001 SKU=UNITS" in closed
    canceled = str(not_under_way(KEY, row(OrderStatus.CANCELED, AT)))
    assert canceled == "order shop:5001 is canceled since 2026-11-27 14:47 UTC; nothing of it is left to do"


def test_an_order_that_is_not_over_and_that_nobody_carries_is_told_with_the_remedy():
    lost = str(not_under_way(KEY, row(OrderStatus.PARTLY_SHIPPED, None)))
    assert "is partly shipped in the list, and nobody carries it" in lost
    assert "orderwright sync run" in lost

"""``python -m sandbox.store``: run the store, and do from the shell what buyers and staff do to it."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import SecretStr, ValidationError

from domain.model import Frozen
from sandbox.running import NotUp, order_number, running_stack
from sandbox.store.client import StoreControl, StoreRefused
from sandbox.store.requests import (
    AskReturn,
    CancelOrder,
    ChangeReturn,
    EditOrder,
    GiveBack,
    PlaceOrder,
    PlacePayment,
)
from sandbox.store.server import ADMIN_PATH, StoreSettings, serve

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="The Shopify-compatible store of the sandbox."
)

Request = TypeVar("Request", bound=Frozen)
_ALONE = "http://127.0.0.1:8085"
"""Where a store that was started by itself listens."""
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="ORDERWRIGHT_SANDBOX_STORE_URL",
        help="Address of the store; default: the one of the stack that runs in this folder (orderwright up), else "
        f"{_ALONE}.",
    ),
]


def _order_id(text: str) -> int:
    try:
        return order_number(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


OrderId = Annotated[int, typer.Argument(metavar="ORDER", parser=_order_id, help="5001, or shop:5001.")]


@app.command("serve")
def run_server(
    state: Annotated[Path, typer.Option(help="SQLite file that keeps everything.")],
    token: Annotated[
        str, typer.Option(envvar="ORDERWRIGHT_SANDBOX_STORE_TOKEN", help="Access token of the app.")
    ],
    secret: Annotated[
        str,
        typer.Option(envvar="ORDERWRIGHT_SANDBOX_STORE_SECRET", help="Secret that webhooks are signed with."),
    ],
    webhook_url: Annotated[str, typer.Option(help="Where webhooks go; empty: they wait.")] = "",
    port: Annotated[int, typer.Option(help="Port on the loopback interface.")] = 8085,
) -> None:
    """Run until Ctrl-C or SIGTERM."""
    typer.echo(f"store: http://127.0.0.1:{port}{ADMIN_PATH}")
    settings = StoreSettings(
        state=state, token=SecretStr(token), secret=SecretStr(secret), webhook_url=webhook_url or None
    )
    serve(settings, port)


@app.command()
def place(
    order: Annotated[str, typer.Argument(help="JSON of the order, @FILE, or - for standard input.")],
    url: Url = None,
) -> None:
    r"""Place an order, such as '{"lines": [{"sku": "TEE-BLK-S", "quantity": 2}], "taxes": ["VAT-20"]}'."""
    wanted = _parsed(PlaceOrder, order)
    _show(url, lambda store: store.place_order(wanted).model_dump(mode="json"))


@app.command("list")
def list_orders(url: Url = None) -> None:
    """One line an order."""
    _show(
        url,
        lambda store: [
            f"{o.id}  {o.name}  {o.total} {o.currency}  {o.financial_status}  {o.fulfillment_status}"
            + ("  canceled" if o.canceled else "")
            for o in store.list_orders()
        ],
    )


@app.command()
def show(order_id: OrderId, url: Url = None) -> None:
    """One order."""
    _show(url, lambda store: store.read_order(order_id).model_dump(mode="json"))


@app.command()
def edit(
    order_id: OrderId,
    quantity: int,
    line: Annotated[int, typer.Option(help="Line id, or its place from 1 on.")] = 1,
    url: Url = None,
) -> None:
    """Set a line to QUANTITY units; 0 removes it."""
    _show(url, lambda store: store.edit_line(order_id, line, quantity).model_dump(mode="json"))


@app.command()
def change(
    order_id: OrderId,
    changes: Annotated[str, typer.Argument(help="JSON of the changes, @FILE, or - for standard input.")],
    url: Url = None,
) -> None:
    r"""Edit an order, such as '{"add": [{"sku": "MUG-LOGO"}], "lines": [{"line": 1, "quantity": 3}]}'."""
    wanted = _parsed(EditOrder, changes)
    _show(url, lambda store: store.edit_order(order_id, wanted).model_dump(mode="json"))


@app.command()
def pay(
    order_id: OrderId,
    payment: Annotated[
        str, typer.Argument(help='JSON of the payment, such as \'{"kind": "sale"}\'; without it the rest.')
    ] = "{}",
    url: Url = None,
) -> None:
    """Pay what an edit made due."""
    wanted = _parsed(PlacePayment, payment)
    _show(url, lambda store: store.pay_order(order_id, wanted).model_dump(mode="json"))


@app.command()
def refund(
    order_id: OrderId,
    refund: Annotated[str, typer.Argument(help="JSON of the refund, @FILE, or - for standard input.")],
    url: Url = None,
) -> None:
    r"""Give back, such as '{"lines": [{"line": 1, "quantity": 1, "restock": "RETURN"}], "shipping": "all"}'."""
    wanted = _parsed(GiveBack, refund)
    _show(url, lambda store: store.refund_order(order_id, wanted).model_dump(mode="json"))


@app.command("return")
def ask_return(
    order_id: OrderId,
    wanted: Annotated[str, typer.Argument(help="JSON of the return, @FILE, or - for standard input.")],
    url: Url = None,
) -> None:
    r"""Ask to send back, such as '{"lines": [{"line": 1, "quantity": 1, "reason": "defective"}]}'."""
    request = _parsed(AskReturn, wanted)
    _show(url, lambda store: store.ask_return(order_id, request).model_dump(mode="json"))


@app.command("change-return")
def change_return(
    order_id: OrderId,
    return_id: int,
    act: Annotated[str, typer.Argument(help="approve, decline, close or withdraw.")],
    url: Url = None,
) -> None:
    """Approve, decline or close a return as the shop's staff, or withdraw it as the buyer."""
    request = _parsed(ChangeReturn, json.dumps({"act": act}))
    _show(url, lambda store: store.change_return(order_id, return_id, request.act).model_dump(mode="json"))


@app.command()
def cancel(order_id: OrderId, url: Url = None) -> None:
    """Cancel an order as its buyer."""
    _show(url, lambda store: store.cancel_order(order_id, CancelOrder()).model_dump(mode="json"))


@app.command()
def webhooks(
    changes: Annotated[
        str, typer.Argument(help="JSON of knobs to change, such as '{\"paused\": true}'.")
    ] = "{}",
    url: Url = None,
) -> None:
    """Show webhook knobs and message counts, after changing some."""
    _show(url, lambda store: store.turn_webhooks(**json.loads(changes)))


@app.command()
def reset(url: Url = None, yes: Annotated[bool, typer.Option("--yes", help="Really.")] = False) -> None:
    """Forget orders, stock changes and messages."""
    if not yes:
        typer.echo("this forgets every order; say so with --yes", err=True)
        raise typer.Exit(2)
    _show(url, lambda store: store.reset() or "done")


def _parsed(kind: type[Request], given: str) -> Request:
    text = (
        sys.stdin.read()
        if given == "-"
        else Path(given[1:]).read_text("utf-8")
        if given[:1] == "@"
        else given
    )
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _store_here() -> str:
    """The store of the stack that runs in this folder, or one that was started by itself."""
    try:
        return running_stack().store
    except NotUp:
        return _ALONE


def _show(url: str | None, ask: Any) -> None:
    import httpx  # noqa: PLC0415  only to name its error

    url = url or _store_here()
    try:
        with StoreControl(url) as store:
            answer = ask(store)
    except StoreRefused as refusal:
        typer.echo(f"the store refuses: {refusal}", err=True)
        raise typer.Exit(1) from refusal
    except httpx.TransportError as error:
        typer.echo(f"no store answers at {url} ({error}); start it, or name it with --url", err=True)
        raise typer.Exit(1) from error
    lines = answer if isinstance(answer, list) else [answer]
    for line in lines:
        typer.echo(line if isinstance(line, str) else json.dumps(line, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    app()

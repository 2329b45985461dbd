"""``orderwright order place``: an order in the embedded stack's store, as a buyer would place it."""

from pathlib import Path
from typing import Annotated

import httpx
import typer
from pydantic import ValidationError

from domain.order import OrderKey
from orderwright.terminal import AsJson, CommandFailed, print_json
from sandbox.running import running_stack
from sandbox.store.requests import MOST_UNITS, PlaceOrder

MOST_DIGITS = 20


def place(
    items: Annotated[
        list[str] | None, typer.Argument(metavar="[SKU[:UNITS]]...", help="Such as TEE-BLK-S:2.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A whole order as JSON (sandbox/store/requests.py).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Place an order in the embedded stack's store, as a buyer would."""
    if (file is None) == (not items):
        raise CommandFailed("say what to order: SKUs such as TEE-BLK-S:2, or --file with a whole order")
    try:
        request = PlaceOrder.model_validate_json(file.read_bytes()) if file else _basket(items or [])
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise CommandFailed(f"this is no order: {wrong}") from error
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}") from error
    number, key = _place(request)
    if as_json:
        print_json({"order": str(key), "number": number})
    else:
        typer.echo(f"placed {number}; follow it with: orderwright order show {key}")


def _basket(items: list[str]) -> PlaceOrder:
    lines = []
    for item in items:
        sku, _, units = item.partition(":")
        # Not isdigit: a superscript is a digit and no number.
        if not sku or (units and not (units.isdecimal() and len(units) <= MOST_DIGITS)):
            raise CommandFailed(
                f"{item!r} is not of the form SKU or SKU:UNITS, such as TEE-BLK-S:2, with at most {MOST_UNITS:,} units"
            )
        if units and not 1 <= int(units) <= MOST_UNITS:
            raise CommandFailed(f"{item!r} orders {int(units):,} units; say 1 to {MOST_UNITS:,}")
        lines.append({"sku": sku, "quantity": int(units or 1)})
    return PlaceOrder.model_validate(
        {"lines": lines, "taxes": ["STATE-6.25"], "shipping": {"code": "standard"}}
    )


def _place(request: PlaceOrder) -> tuple[str, OrderKey]:
    from sandbox.store.client import StoreControl, StoreRefused  # noqa: PLC0415  the store, for the one command

    where = running_stack()
    try:
        with StoreControl(where.store) as store:
            placed = store.place_order(request)
    except StoreRefused as error:
        raise CommandFailed(f"the store refused: {error}") from error
    except httpx.HTTPError as error:
        raise CommandFailed(
            f"the store at {where.store} does not answer ({error}); is the stack up?"
        ) from error
    return placed.name, OrderKey(channel=where.webhooks.rsplit("/", 1)[1], external_id=str(placed.id))

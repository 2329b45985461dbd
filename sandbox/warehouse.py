"""``python -m sandbox.warehouse``: do in the running stack's ERP what the people of its warehouse do."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, NoReturn, TypeVar

import httpx
import typer

from sandbox.addresses import CHANNEL
from sandbox.catalog import LOCATIONS, PRODUCTS, pieces
from sandbox.failures import PartFailed
from sandbox.running import order_number, running_stack
from sandbox.store.requests import MOST_UNITS
from sandbox.tryton.reading import ShipmentReading
from sandbox.tryton.rpc import Refused
from sandbox.tryton.staff import Staff

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The warehouse of the running stack (orderwright up, in this folder): ships, takes goods in, counts stock.",
)

Order = Annotated[str, typer.Argument(metavar="ORDER", help="shop:5001, or 5001.")]
Done = TypeVar("Done")
MOST_DIGITS = len(str(MOST_UNITS))
_PLACES = {code: name for code, name, _ in LOCATIONS.values()}
_FIRST = next(iter(_PLACES))
_SKUS = frozenset(product["sku"] for product in PRODUCTS)


@app.command("list")
def waiting() -> None:
    """Shipments that wait for the warehouse, the oldest first."""
    jobs = _work(lambda staff: staff.shipments_to_do())
    for job in jobs:
        typer.echo(f"{CHANNEL}:{job.web_id}  {job.number}  {job.warehouse}")
    if not jobs:
        typer.echo("nothing waits for the warehouse")


@app.command()
def ship(
    order: Order,
    part: Annotated[
        bool, typer.Option("--part", help="About half of the units of each shipment; the rest waits on.")
    ] = False,
) -> None:
    """Pick, pack and send what waits of an order; each warehouse sends a parcel of its own."""
    number = _order(order)

    async def send(staff: Staff) -> list[tuple[str, ShipmentReading | None]]:
        return [
            (job.number, await staff.ship(job, part=part)) for job in await staff.shipments_to_do([number])
        ]

    tried = _work(send)
    if not tried:
        _fail(
            f"nothing of {CHANNEL}:{number} waits for the warehouse; see: orderwright order show {CHANNEL}:{number}"
        )
    for shipment, parcel in tried:
        typer.echo(_left(parcel) if parcel else f"shipment {shipment} stays: not all of it is in stock")
    if not any(parcel for _, parcel in tried):
        raise typer.Exit(1)


@app.command()
def receive(
    order: Order,
    units: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SKU=UNITS]...",
            help="What came, such as TEE-BLK-M=1; without any: all that is expected.",
        ),
    ] = None,
    *,
    at: Annotated[
        str | None,
        typer.Option(
            "--unannounced-at",
            metavar="WAREHOUSE",
            help="Nobody announced it: where it came, such as WH-EAST.",
        ),
    ] = None,
) -> None:
    """Take in what comes back of an order."""
    number, came = _order(order), pieces(_units(units or []))
    if at is not None:
        _warehouse(at)
        if not came:
            _fail("say what came: SKU=UNITS, such as TEE-BLK-M=1")

    async def take(staff: Staff) -> str:
        if at is not None:
            return await staff.enter_return(number, came, at)
        try:
            return await staff.receive_return(number, units=came or None)
        except LookupError as error:
            announce = f"orderwright order return {CHANNEL}:{number} SKU=UNITS --reason WHY"
            msg = f"{error}; have it announced ({announce}), or take it in with --unannounced-at {_FIRST}"
            raise LookupError(msg) from error

    typer.echo(f"return shipment {_work(take)} is received; see: orderwright return list --open")


@app.command()
def count(
    sku: Annotated[str, typer.Argument(help="Such as MUG-LOGO.")],
    units: Annotated[int, typer.Argument(min=0, max=MOST_UNITS, help="How many are on the shelves.")],
    at: Annotated[str, typer.Option("--at", metavar="WAREHOUSE", help="Which warehouse.")] = "WH-EAST",
) -> None:
    """Take stock: so many units of a product are there, whatever the books said."""
    if sku not in _SKUS:
        _fail(f"there is no product {sku!r}; there are {', '.join(sorted(_SKUS))}")
    where = _warehouse(at)
    _work(lambda staff: staff.take_stock(sku, where, units))
    typer.echo(f"{units} of {sku} at {where}; see: orderwright stock why {sku}")


def _work(acts: Callable[[Staff], Awaitable[Done]]) -> Done:
    """Have the ERP's staff do something. Ends the command in words where they cannot."""

    async def work() -> Done:
        where = running_stack()
        async with Staff(
            where.erp, where.erp_database, where.staff_login, where.staff_password, channel=CHANNEL
        ) as staff:
            return await acts(staff)

    try:
        return asyncio.run(work())
    except (LookupError, PartFailed) as error:
        _fail(str(error))
    except Refused as error:
        _fail(f"the ERP refuses: {error}")
    except httpx.HTTPError as error:
        _fail(f"the ERP does not answer ({error or type(error).__name__}); is the stack up?")


def _left(parcel: ShipmentReading) -> str:
    held = ", ".join(f"{units} of {product}" for product, units in parcel.quantities.items() if units)
    return f"shipment {parcel.number} left {parcel.warehouse}: {held}"


def _order(text: str) -> str:
    try:
        return str(order_number(text))
    except ValueError as error:
        _fail(str(error))


def _units(named: list[str]) -> dict[str, int]:
    units: dict[str, int] = {}
    for each in named:
        sku, _, number = each.partition("=")
        if not sku or not number.isdecimal() or len(number) > MOST_DIGITS or int(number) == 0:
            _fail(f"{each!r} is not of the form SKU=UNITS, such as TEE-BLK-M=1")
        units[sku] = units.get(sku, 0) + int(number)
    return units


def _warehouse(code: str) -> str:
    if code not in _PLACES:
        _fail(f"there is no warehouse {code!r}; there are {', '.join(_PLACES)}")
    return code


def _fail(words: str) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()

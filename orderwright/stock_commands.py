"""``orderwright stock ...``: why a storefront shows what it shows, and where it showed more than could be sold."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from config.mappings import load_mappings
from config.settings import Settings
from domain.stock_rules import StockRules
from orderwright.compare_command import compare
from orderwright.drift_plot import draw
from orderwright.terminal import (
    AsJson,
    CommandFailed,
    invocation,
    open_store,
    print_facts,
    print_json,
    print_table,
)
from store.drift import Drift, DriftLine
from store.stock_reasons import StockReasons, Why
from web.desk.stock import stock_rules, to_show

stock = typer.Typer(no_args_is_help=True, help="What can be sold, what is shown of it, and why.")
stock.command("compare")(compare)

Sku = Annotated[str, typer.Argument(help="The SKU, as the storefront writes it.")]
ChannelOption = Annotated[str | None, typer.Option(help="Only this channel; default: all.")]


@stock.command("why")
def why(ctx: typer.Context, sku: Sku, *, channel: ChannelOption = None, as_json: AsJson = False) -> None:
    """Show how many can be sold of a SKU at each location, each number with its source and time."""
    rules = _rules(invocation(ctx).settings(), channel)
    with open_store(ctx) as database:
        places = StockReasons(database).why(sku, rules, datetime.now(UTC))
    if as_json:
        print_json(places)
        return
    if not places:
        listed = ", ".join(rules)
        raise CommandFailed(
            f"no storefront that is told of stock ({listed}) has shown a SKU {sku!r} yet; is it spelled as there?"
        )
    for each in _chosen(places, channel):
        _print(each)


@stock.command("drift")
def drift(
    ctx: typer.Context,
    *,
    channel: ChannelOption = None,
    hours: Annotated[float, typer.Option(min=0.01, help="Look so many hours back.")] = 24,
    sku: Annotated[str | None, typer.Option(help="Draw this SKU; needs --plot.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a picture (SVG) of --sku, one a location.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show for how long each SKU was shown with more units than could be sold, the longest first."""
    if (sku is None) is not (plot is None):
        raise CommandFailed("--sku and --plot go together: which SKU to draw, and into which file")
    now = datetime.now(UTC)
    since = now - timedelta(hours=hours)
    rules = _rules(invocation(ctx).settings(), channel)
    with open_store(ctx) as database:
        book = Drift(database)
        lines = book.lines(since, now, channel)
        if sku is not None and plot is not None:
            for each in _chosen(StockReasons(database).why(sku, rules, now), channel):
                place = (each.channel, sku, each.decision.shown.location)
                _draw(plot, place, book, since, now)
    if as_json:
        print_json(lines)
        return
    heads = ("Channel", "SKU", "Location", "Too much shown for", "At most", "Times", "")
    print_table(
        f"Shown beyond what could be sold, since {since:%Y-%m-%d %H:%M} UTC",
        heads,
        (_row(line) for line in lines),
        empty=f"nowhere was more shown than could be sold since {since:%Y-%m-%d %H:%M} UTC",
    )


def _rules(settings: Settings, channel: str | None) -> dict[str, StockRules]:
    if channel is not None:
        settings.channel(channel)
    return stock_rules(load_mappings(settings), channel)


def _chosen(places: Sequence[Why], channel: str | None) -> list[Why]:
    return [each for each in places if channel in {None, each.channel}]


def _print(why: Why) -> None:
    decision, shown = why.decision, why.decision.shown
    facts = [
        (
            "SKU",
            f"{shown.sku} at {why.channel}, location {shown.location} (warehouse {why.warehouse or 'unmapped'})",
        ),
        ("shown", f"{shown.available}, and {shown.committed} held for orders; seen {_time(why.seen_at)}"),
        ("to show", to_show(decision)),
    ]
    if why.waits_since is not None:
        facts.append(("changed", f"{_time(why.waits_since)}, the storefront is told next"))
    if why.problem:
        facts.append(("problem", why.problem))
    typer.echo("")
    print_facts(facts)
    rows = [(t.name, f"{t.units:+d}", t.source, _time(t.at) if t.at else "") for t in decision.terms]
    if rows:
        rows.append(("to show", str(decision.available), "", ""))
        print_table("How that comes about", ("What", "Units", "Source", "Read at"), rows, wide={"Source"})
    orders = [
        (
            each.number,
            str(each.key),
            each.sku,
            str(each.units),
            "entered; the ERP's stock is read again" if each.entered else "not in the ERP yet",
            _time(each.since),
        )
        for each in why.in_flight
    ]
    if orders:
        heads = ("Order", "Id", "SKU", "Units", "Stands", "Since")
        print_table("Orders in flight", heads, orders, wide={"Stands"})


def _row(line: DriftLine) -> tuple[str, ...]:
    minutes, seconds = divmod(line.oversellable.total_seconds(), 60)
    lasted = f"{int(minutes)} min {seconds:.1f} s"
    most = f"{line.most} units"
    return (line.channel, line.sku, line.location, lasted, most, str(line.times), "now" if line.lasts else "")


def _draw(plot: Path, place: tuple[str, str, str], book: Drift, since: datetime, now: datetime) -> None:
    channel, sku, location = place
    file = plot.with_name(f"{plot.stem}-{channel}-{location}{plot.suffix or '.svg'}")
    try:
        picture = draw(f"{sku} at {channel}, location {location}", book.moments(*place, since, now))
    except ValueError as error:
        typer.echo(f"no picture of {sku} at {channel}, location {location}: {error}", err=True)
        return
    file.write_text(picture, encoding="utf-8")
    typer.echo(f"drew {file}")


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"

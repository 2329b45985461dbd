"""What came of each scenario, read from both systems without the application, and the table that says so."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, computed_field
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from sandbox.audit import ErpSide, StoreSide, compare
from sandbox.house import store_side
from sandbox.scenarios.ground import Ground
from sandbox.scenarios.vocabulary import End, Holds, Scenario

TABLE_WIDTH = 140
"""Of the table where nobody looks at a terminal: in a log, in CI."""


class Row(BaseModel):
    """One scenario's row of the table."""

    model_config = ConfigDict(frozen=True)

    name: str
    group: str
    ends: End
    store: StoreSide
    erp: ErpSide | None
    differences: tuple[str, ...]
    """Between both systems, or of one with what must hold; and what went wrong on the way."""

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own way to put a property into the JSON
    @property
    def balanced(self) -> bool:
        """Both systems tell the same story, and it is the one that must hold."""
        return not self.differences


async def prove(
    ground: Ground,
    scenarios: Sequence[Scenario],
    ids: Mapping[str, str],
    failures: Mapping[str, str],
    stories: Mapping[str, str],
) -> list[Row]:
    """Read both systems back. ``ids``, ``failures`` and ``stories`` are by the scenario's name."""
    told = {str(each.id): each for each in await ground.store.list_orders()}
    held = await ground.people.read({each: told[each].name for each in ids.values()})
    rows = []
    for scenario in scenarios:
        external_id = ids[scenario.name]
        store, erp = store_side(told[external_id]), held.get(external_id)
        found = [failures[scenario.name]] if scenario.name in failures else []
        if scenario.holds.ends is End.IGNORED:
            found += ["is in the ERP, and was to be ignored"] if erp else []
        else:
            found += compare("", store, erp, None).differences
        found += missing(scenario.holds, store, erp, stories.get(scenario.name, ""))
        rows.append(
            Row(
                name=scenario.name,
                group=scenario.group,
                ends=scenario.holds.ends,
                store=store,
                erp=erp,
                differences=tuple(found),
            )
        )
    return rows


def missing(holds: Holds, store: StoreSide, erp: ErpSide | None, story: str) -> list[str]:
    """What must hold and does not, each in a sentence."""
    found = []

    def same(what: str, expected: object, at_store: object) -> None:
        if expected != at_store:
            found.append(f"{what}: must be {expected}, is {at_store}")

    same("total", holds.total, store.total)
    same("captured", holds.captured, store.captured)
    same("units shipped", holds.shipped, store.fulfilled)
    same("units returned", holds.returned, store.returned)
    same("canceled at the store", holds.ends is End.CANCELED, store.canceled)
    if holds.canceled_as is not None:
        same("canceled as", holds.canceled_as, store.canceled_as)
    same("in the ERP", holds.in_erp, erp is not None)
    if holds.parcels is not None:
        same("parcels", holds.parcels, store.fulfillments)
    found += [f"its story lacks {words!r}" for words in holds.story if words not in story]
    return found


def print_rows(rows: Sequence[Row], seconds: int) -> None:
    """The table, every difference, and the sum in the last line."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=TABLE_WIDTH)
    table = Table(
        title="Both systems, read back independently (amounts in USD)", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("scenario", max_width=60)
    for name in ("ends", "store", "ERP"):
        table.add_column(name, no_wrap=True)
    for name in ("store total", "ERP total", "captured", "units", "parcels"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("balanced", no_wrap=True)
    for row in rows:
        erp = row.erp
        table.add_row(
            row.name,
            row.ends,
            row.store.number,
            erp.number if erp else "-",
            f"{row.store.total}",
            f"{erp.total}" if erp else "-",
            f"{row.store.captured}",
            f"{row.store.fulfilled} of {row.store.units}",
            str(row.store.fulfillments),
            "yes" if row.balanced else "NO",
        )
    console.print(table)
    for row in rows:
        for difference in row.differences:
            console.print(f"  {row.store.number} {row.name}: {difference}", markup=False, highlight=False)
    console.print(f"took {seconds} s", highlight=False)
    console.print(f"scenarios: {sum(row.balanced for row in rows)} of {len(rows)} balanced", highlight=False)

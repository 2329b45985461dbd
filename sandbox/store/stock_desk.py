"""The part of the control API that is about stock: products, counts and locations, by the shop's own people."""

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Request
from pydantic import Field, model_validator

from domain.model import Amount, Frozen
from sandbox.store.requests import DEFAULT_LOCATION
from sandbox.store.resolvers import REFUSED_KEYS
from sandbox.store.state import Policy, State


class AddProducts(Frozen):
    """Products to add: ``skus``, and ``count`` more that are named ``prefix-1``, ``prefix-2`` and so on."""

    skus: tuple[str, ...] = ()
    count: Annotated[int, Field(ge=0, le=200_000)] = 0
    prefix: str = "SKU"
    price: Annotated[Amount, Field(ge=0)] = Decimal("10.00")
    stock: dict[int, int] = Field(default_factory=lambda: {DEFAULT_LOCATION: 0})
    """Units of each by location; it is not stocked at others."""
    policy: Policy = "DENY"
    tracked: bool = True


class Added(Frozen):
    """Which products were added: their inventory items are numbered on."""

    first_item: int
    count: int


class ChangeProduct(Frozen):
    """Sell a SKU in another way; what is None stays."""

    sku: str
    policy: Policy | None = None
    tracked: bool | None = None


class CountStock(Frozen):
    """So many units can be bought of a SKU at a location, whatever was shown; it is stocked there if it was not."""

    sku: str
    location: int = DEFAULT_LOCATION
    available: int


class LevelReading(Frozen):
    """Stock of an item at a location, straight from the store's memory."""

    sku: str
    item: int
    location: int
    available: int
    committed: int
    updated_at: str


class Locations(Frozen):
    """A location to open with a ``name``, or one to close or open again by ``id``."""

    id: int | None = None
    name: str = ""
    active: bool = True

    @model_validator(mode="after")
    def _one_of_both(self) -> "Locations":
        if (self.id is None) == (not self.name):
            raise ValueError("a location needs either a name, to be opened, or the id of one that there is")
        return self


class KeyKnobs(Frozen):
    """What a key of ``inventorySetQuantities`` answers that was refused once.

    ``replayed``: the same refusal. ``spent``: that it needs another key (``IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED``).
    """

    refused: Literal["replayed", "spent"] = "spent"


router = APIRouter()


@router.post("/products", status_code=201)
async def add_products(wanted: AddProducts, request: Request) -> Added:
    """Add products."""
    state = _state(request)
    skus = [*wanted.skus, *(f"{wanted.prefix}-{n}" for n in range(1, wanted.count + 1))]
    _check_locations(state, wanted.stock)
    with state.transaction():
        first = state.add_variants(skus, wanted.price, wanted.policy, wanted.stock, tracked=wanted.tracked)
    return Added(first_item=first, count=len(skus))


@router.patch("/products")
async def change_product(wanted: ChangeProduct, request: Request) -> dict[str, bool]:
    """Sell a SKU in another way."""
    state = _state(request)
    _items(state, wanted.sku)
    with state.transaction():
        state.change_variants(wanted.sku, policy=wanted.policy, tracked=wanted.tracked)
    return {"ok": True}


@router.get("/stock")
async def read_stock(sku: str, request: Request) -> list[LevelReading]:
    """Stock of all items of a SKU, closed locations included."""
    return _levels(_state(request), sku)


@router.post("/stock")
async def count_stock(wanted: CountStock, request: Request) -> list[LevelReading]:
    """Somebody of the shop counts a SKU; returns its stock."""
    state = _state(request)
    _check_locations(state, (wanted.location,))
    with state.transaction():
        for item in _items(state, wanted.sku):
            state.stock_at(item, wanted.location)
            level = state.level(item, wanted.location)
            assert level is not None
            state.move_stock(item, wanted.location, available=wanted.available - level.available)
    return _levels(state, wanted.sku)


@router.post("/locations")
async def change_locations(wanted: Locations, request: Request) -> int:
    """Open a location, close one or open it again; returns its id."""
    state = _state(request)
    with state.transaction():
        if wanted.id is None:
            return state.add_location(wanted.name)
        _check_locations(state, (wanted.id,))
        state.open_location(wanted.id, active=wanted.active)
    return wanted.id


@router.put("/keys")
async def set_keys(knobs: KeyKnobs, request: Request) -> KeyKnobs:
    """What a key answers that was refused once."""
    state = _state(request)
    with state.transaction():
        state.keep_setting(REFUSED_KEYS, knobs.refused)
    return knobs


def _state(request: Request) -> State:
    state: State = request.app.state.store.state
    return state


def _levels(state: State, sku: str) -> list[LevelReading]:
    return [
        LevelReading(
            sku=sku,
            item=item,
            location=level.location_id,
            available=level.available,
            committed=level.committed,
            updated_at=level.updated_at.isoformat(),
        )
        for item in _items(state, sku)
        for level in state.levels(item)
    ]


def _items(state: State, sku: str) -> list[int]:
    """Inventory items of all variants with a SKU; a 404 where there is none."""
    items = [each.inventory_item_id for each in state.find_variants("sku = ?", (sku,), 1_000)]
    if not items:
        raise HTTPException(404, f"the store has no product with SKU {sku!r}")
    return items


def _check_locations(state: State, wanted: dict[int, int] | tuple[int, ...]) -> None:
    known = state.locations()
    if unknown := [each for each in wanted if each not in known]:
        raise HTTPException(
            404, f"the store has no location {unknown[0]}; known are {', '.join(map(str, known))}"
        )

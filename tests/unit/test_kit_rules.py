"""What follows from kits of which a part has left."""

from datetime import timedelta

from domain.backorders import without_rest
from domain.erp_order import Backorder, ErpShipment, KitPieces
from domain.kits import pieces_words, tracking_of_pieces
from sandbox.back_office import parcel_of
from sandbox.catalog import KIT_SKU, Parcel, tellable
from sandbox.tryton.reading import ShipmentReading
from tests.contract.order_shapes import sales_order
from tests.order_builder import PLACED_AT, make_erp_order, make_line, make_order, make_shipment


def kit(external_id: str, units: int):
    return make_order(external_id, lines=[make_line("11", KIT_SKU, units)])


def _short(units: int) -> Backorder:
    return Backorder(line_id="11", warehouse="WH-EAST", quantity=units)


def test_the_rest_never_takes_off_what_has_begun_to_leave() -> None:
    order = kit("5001", units=3)
    erp = make_erp_order(sales_order(order)).model_copy(update={"begun": {"11": 1}})
    assert without_rest(order, erp) == {}
    short = erp.model_copy(update={"backorders": (_short(3),)})
    assert without_rest(order, short) == {"11": 1}
    shipped = short.model_copy(update={"shipments": (make_shipment({"11": 1}),), "backorders": (_short(2),)})
    assert without_rest(order, shipped) == {"11": 2}


def test_a_parcel_of_pieces_belongs_to_the_first_parcel_that_completes_a_kit_after_it() -> None:
    piece = KitPieces(line_id="11", product="TEE-BLK-M", quantity=1)

    def at(day: int, units: dict[str, int], shipment_id: str, *pieces: KitPieces) -> ErpShipment:
        return make_shipment(
            units,
            shipment_id=shipment_id,
            pieces=pieces,
            tracking_number=f"1Z{shipment_id}",
            shipped_at=PLACED_AT + timedelta(days=day),
        )

    before, ahead, first, second = (
        at(1, {"11": 1}, "1"),
        at(2, {}, "2", piece),
        at(3, {"11": 1}, "3"),
        at(4, {"11": 1}, "4"),
    )
    erp = make_erp_order(sales_order(kit("5001", units=3)), [second, ahead, before, first])
    assert [tracking_of_pieces(erp, each) for each in (before, first, second)] == [(), ("1Z2",), ()]


def test_pieces_are_added_up_by_product() -> None:
    pieces = [KitPieces(line_id=line, product="SOCK-GRY", quantity=2) for line in ("11", "12")]
    assert pieces_words(pieces) == "4 SOCK-GRY"


def test_a_parcel_of_pieces_alone_is_none_that_a_store_is_told_of() -> None:
    tee, socks = Parcel({"TEE-BLK-M": 1}, {"MUG-LOGO": 0}), Parcel({"SOCK-GRY": 2}, {})
    assert tellable([tee, socks]) == 1
    assert tellable([tee, socks, Parcel({}, {"MUG-LOGO": 1})]) == 2
    assert tellable([Parcel({}, {"TEE-BLK-M": 1}), Parcel({}, {"SOCK-GRY": 2})]) == 2


def test_what_kits_hold_and_is_sold_by_itself_too_is_told_of() -> None:
    kit = Parcel({"TEE-BLK-M": 1, "SOCK-GRY": 2}, {})
    assert tellable([kit, Parcel({}, {"TEE-BLK-M": 2})]) == 2
    left = ShipmentReading(1, "P1", "done", "WH-EAST", None, None, {"TEE-BLK-M": 3}, {"TEE-BLK-M": 1})
    assert parcel_of(left) == Parcel({"TEE-BLK-M": 1}, {"TEE-BLK-M": 2})

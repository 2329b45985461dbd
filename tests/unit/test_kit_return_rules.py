"""Kits that come back in parts: no piece and no cent is lost, whatever comes back in whichever sequence."""

from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.erp_order import KitPart, TaxAmount
from domain.kit_returns import (
    Worth,
    gross_of,
    in_pieces,
    in_units,
    kept_before,
    kept_of,
    line_of,
    pieces_left,
    still_kept,
    take_in,
)

KITS = {
    "11": (
        KitPart(product="TEE", quantity=1, share=Decimal("0.6104")),
        KitPart(product="SOCK", quantity=2, share=Decimal("0.1948")),
    ),
    "12": tuple(KitPart(product=name, quantity=n) for name, n in (("A", 3), ("B", 1), ("C", 2))),
}
ORDERED = {"11": 3, "12": 2, "13": 4}


def cents(most: int) -> st.SearchStrategy[Decimal]:
    return st.integers(0, most).map(lambda n: Decimal(n) / 100)


@given(st.dictionaries(st.sampled_from(["11", "11/TEE", "11/SOCK", "12/B", "13"]), st.integers(0, 5)))
def test_pieces_and_units_are_the_same_goods(units):
    again = in_units(in_pieces(units, KITS), KITS)
    assert in_pieces(again, KITS) == in_pieces(units, KITS)
    for line, parts in KITS.items():
        assert any(again.get(f"{line}/{part.product}", 0) < part.quantity for part in parts)


PIECES = tuple(in_pieces(ORDERED, KITS))
PARCELS = st.lists(st.dictionaries(st.sampled_from(PIECES), st.integers(0, 6), max_size=4), max_size=6)


@given(PARCELS, st.tuples(cents(9999), cents(9999), cents(9999)))
def test_all_that_comes_back_of_a_kit_is_worth_its_price(parcels, priced):
    """In any number of parcels: pieces and money add up after each, and in the end nothing is kept back."""
    left = in_pieces(ORDERED, KITS)
    prices = dict(zip(ORDERED, priced, strict=True))
    kept = kept_before(())
    begun: Counter[str] = Counter()
    given_back = worth_so_far = Decimal(0)
    for wanted in [*parcels, left]:
        parcel = {name: min(n, left[name]) for name, n in wanted.items()}
        came = take_in(in_units(parcel, KITS), KITS, kept)
        worth = {
            line: Worth(n * prices[line], {"VAT": n * Decimal("0.07"), "CITY": n * Decimal("0.01")})
            for line, n in came.units.items()
        }
        entries = kept_of(came, worth, KITS, kept, "USD")
        kept += entries
        left -= Counter(parcel)
        begun.update(came.units)
        of_units = sum(
            (each.net + sum(each.taxes.values(), Decimal(0)) for each in worth.values()), Decimal(0)
        )
        worth_so_far += of_units
        given_back += of_units - gross_of(entries)
        # What is missing of begun kits is kept back, piece by piece, and nothing else is.
        away = Counter({name: held.number for name, held in still_kept(kept).items()})
        assert away == in_pieces(begun, KITS) - (in_pieces(ORDERED, KITS) - left)
        assert all(
            held.net >= 0 and min(held.taxes.values(), default=0) >= 0 for held in still_kept(kept).values()
        )
        assert given_back == worth_so_far - gross_of(kept)
        assert gross_of(kept) >= 0
    assert begun == ORDERED
    assert not still_kept(kept)
    assert gross_of(kept) == 0
    taxes: Counter[str] = Counter()
    for entry in kept:
        taxes.update({tax.code: int(tax.amount * 100) for tax in entry.taxes})
    assert not any(taxes.values())


def test_a_kit_is_divided_by_what_its_pieces_weigh_to_the_cent():
    came = take_in({"11/TEE": 1}, KITS, ())
    assert came.units == {"11": 1}
    worth = {"11": Worth(Decimal("29.90"), {"VAT": Decimal("2.33")})}
    (entry,) = kept_of(came, worth, KITS, (), "USD")
    assert (entry.product, entry.quantity, entry.net) == ("SOCK", 2, Decimal("11.65"))
    assert entry.taxes == (TaxAmount(code="VAT", amount=Decimal("0.91")),)
    one = take_in({"11/SOCK": 1}, KITS, (entry,))
    assert one.units == {}
    (given,) = kept_of(one, {}, KITS, (entry,), "USD")
    assert (given.quantity, given.net) == (-1, Decimal("-5.83"))
    assert still_kept((entry, given))["11/SOCK"].net == Decimal("5.82")


def test_a_whole_kit_completes_one_that_lacks_something():
    (kept,) = kept_of(take_in({"11/TEE": 1}, KITS, ()), {"11": Worth(Decimal(30), {})}, KITS, (), "USD")
    came = take_in({"11": 1}, KITS, (kept,))
    assert came.units == {"11": 1}
    assert dict(came.filled) == {"11/SOCK": 2}
    assert dict(came.missing) == {"11/SOCK": 2}


def test_what_is_at_the_buyer_can_come_back():
    gone = [{"11/TEE": 1}, {"11": 1}]
    assert pieces_left("11", 3, KITS, gone) == {"11/TEE": 1, "11/SOCK": 4}
    assert pieces_left("13", 3, KITS, gone) == {}
    assert line_of("11/TEE") == line_of("11") == "11"

"""Every look-up answers from the mapping or says which table lacks which key."""

from decimal import Decimal

import pytest

from domain.mapping import CompanyRule, Unmapped
from tests.order_builder import sandbox_mapping


def test_every_look_up_finds_its_entry():
    mapping = sandbox_mapping(skus={"OLD-1": "NEW-1"})
    assert mapping.product("OLD-1") == "NEW-1"
    assert mapping.product("CAP-BLK") == "CAP-BLK"
    assert mapping.warehouse("102") == "WH-WEST"
    assert mapping.location_of("WH-WEST") == "102"
    assert mapping.tax_code("VAT", Decimal("0.2")) == "VAT-20"
    assert mapping.payment_method("gift_card") == "Gift card"
    assert mapping.carrier("express") == "DHL"
    assert mapping.carrier_name("DHL") == "DHL Express"
    assert mapping.company("301") == CompanyRule(party="C-WHOLESALE", price_list="B2B 10% off")


@pytest.mark.parametrize(
    ("look_up", "table", "key"),
    [
        (lambda m: m.product("CAP-BLK"), "skus", "CAP-BLK"),
        (lambda m: m.warehouse("199"), "locations", "199"),
        (lambda m: m.location_of("WH-MOON"), "locations", "WH-MOON"),
        (lambda m: m.tax_code("VAT", Decimal("0.19")), "taxes", "VAT 0.19"),
        (lambda m: m.tax_code("vat", Decimal("0.20")), "taxes", "vat 0.20"),
        (lambda m: m.payment_method("barter"), "payment_methods", "barter"),
        (lambda m: m.carrier("pigeon"), "shipping_services", "pigeon"),
        (lambda m: m.carrier_name("PIGEON"), "carriers", "PIGEON"),
        (lambda m: m.company("399"), "companies", "399"),
    ],
)
def test_a_missing_entry_names_its_table_and_key(look_up, table, key):
    with pytest.raises(Unmapped) as refused:
        look_up(sandbox_mapping(sku_passthrough=False))
    assert (refused.value.table, refused.value.key) == (table, key)
    assert f"[{table}]" in str(refused.value)
    assert repr(key) in str(refused.value)

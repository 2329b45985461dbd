"""Mapping and ownership files: every kind of mistake names the file, the place and the reason."""

import pytest
from pydantic import ValidationError

from config.mappings import MAPPINGS, MappingError, load_mapping, load_mappings
from config.ownership import ForeignWrite, Owner, OwnershipError, load_ownership
from config.settings import Settings
from tests.order_builder import sandbox_mapping

GOOD = """
name = "pair"
shipping_product = "SHIPPING"
[locations]
101 = "EAST"
102 = "WEST"
[[taxes]]
title = "VAT"
rate = "0.20"
erp_code = "VAT-20"
[payment_methods]
card = "Card"
[shipping_services]
standard = "UPS"
[companies.301]
party = "C-1"
"""


@pytest.fixture
def write(tmp_path):
    """A function that writes a mapping file and gives its path."""

    def to_file(text: str):
        path = tmp_path / "pair.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def refused(path) -> MappingError:
    with pytest.raises(MappingError) as caught:
        load_mapping(path)
    assert str(path) in str(caught.value)
    return caught.value


def test_a_good_file_is_read_by_path_and_versioned_by_content(write):
    mapping = load_mapping(write(GOOD))
    assert mapping.locations == {"101": "EAST", "102": "WEST"}
    assert mapping.companies["301"].party == "C-1"
    spaced = load_mapping(write(GOOD.replace("[locations]", "\n# a comment\n[locations]")))
    assert spaced.version == mapping.version, "comments and blank lines are no content"
    assert load_mapping(write(GOOD.replace("WEST", "NORTH"))).version != mapping.version


def test_every_shipped_file_loads_by_its_name():
    names = [path.stem for path in MAPPINGS.glob("*.toml")]
    assert names
    for name in names:
        assert load_mapping(name).name == name


@pytest.mark.parametrize(
    ("find", "replace", "places"),
    [
        ('shipping_product = "SHIPPING"', "", ["shipping_product is missing"]),
        ('[payment_methods]\ncard = "Card"', "", ["payment_methods is missing"]),
        ('erp_code = "VAT-20"', "", ["[[taxes]] entry 1, erp_code is missing"]),
        ('party = "C-1"', "", ["[companies.301] party is missing"]),
        ("[locations]", "[location]", ["location is not known", "locations is missing"]),
        ('party = "C-1"', 'party = "C-1"\nprice = "x"', ["[companies.301] price is not known"]),
        ('rate = "0.20"', "rate = 0.20", ["[[taxes]] entry 1, rate: money must be a decimal string"]),
        (
            'rate = "0.20"',
            'rate = "20"',
            ["[[taxes]] entry 1, rate: input should be less than or equal to 1"],
        ),
        ('rate = "0.20"', 'rate = "a fifth"', ["[[taxes]] entry 1, rate: input should be a valid decimal"]),
        ('102 = "WEST"', 'x = ["WEST"]', ["[locations] x: input should be a valid string"]),
        ('102 = "WEST"', '102 = "EAST"', ["[locations] maps two locations to warehouse 'EAST'"]),
        ('card = "Card"', 'card = " "', ["[payment_methods] card is empty"]),
        ('title = "VAT"', 'title = ""', ["[[taxes]] entry 1, title is empty"]),
        (
            "[locations]",
            '[payments]\ncapture = "never"\n[locations]',
            ["[payments] capture: input should be"],
        ),
        (
            "[locations]",
            "[payments]\nexpiry_notice_hours = 0\n[locations]",
            ["[payments] expiry_notice_hours: input should be greater"],
        ),
        (
            "[locations]",
            "[payments.gateways.cash]\nship_unpaid = true\n[locations]",
            ["[payments.gateways.cash] is no gateway of [payment_methods]"],
        ),
        ('party = "C-1"', 'party = "C-1"\npayment_terms = ""', ["[companies.301] payment_terms is empty"]),
    ],
)
def test_each_mistake_names_file_place_and_reason(write, find, replace, places):
    assert find in GOOD
    error = refused(write(GOOD.replace(find, replace)))
    assert len(error.problems) == len(places)
    for problem, place in zip(sorted(error.problems), sorted(places), strict=True):
        assert problem.startswith(place)


def test_the_same_tax_twice_is_refused(write):
    tax = '[[taxes]]\ntitle = "VAT"\nrate = "0.20"\nerp_code = "OTHER"\n'
    error = refused(write(GOOD + tax))
    assert error.problems == ("[[taxes]] holds the same title and rate twice; keep one",)


def test_all_mistakes_are_told_at_once(write):
    error = refused(write(GOOD.replace('party = "C-1"', "").replace('title = "VAT"', "")))
    assert len(error.problems) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [("name = ", "is not valid TOML: Invalid value (at end of document)"), ("a = 1\nb = = 2\n", "line 2")],
)
def test_a_syntax_error_names_the_line(write, text, reason):
    assert reason in str(refused(write(text)))


def test_a_tolerance_is_exact_and_has_a_product_to_be_booked_on(write):
    tolerant = 'adjustment_product = "ADJUST"\ntax_tolerance = "0.02"\n' + GOOD
    assert str(load_mapping(write(tolerant)).tax_tolerance) == "0.02"
    assert load_mapping(write(GOOD)).tax_tolerance == 0
    for text, words in (
        (tolerant.replace('"0.02"', '"-0.01"'), "tax_tolerance: input should be greater than or equal to 0"),
        (tolerant.replace('"0.02"', "0.02"), "tax_tolerance: money must be a decimal string"),
        ('tax_tolerance = "0.02"\n' + GOOD, "tax_tolerance needs an adjustment_product"),
    ):
        assert any(words in problem for problem in refused(write(text)).problems)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "pair.toml"
    path.write_bytes(b"name = '\xff'")
    assert "is not UTF-8 text" in str(refused(path))


def test_a_folder_is_refused(tmp_path):
    path = tmp_path / "pair.toml"
    path.mkdir()
    assert "cannot be read" in str(refused(path))


def test_a_missing_file_names_the_known_ones(tmp_path):
    assert "known mappings are: shopify-tryton" in str(refused(tmp_path / "other.toml"))
    with pytest.raises(MappingError, match=r"unheard-of\.toml: there is no such file"):
        load_mapping("unheard-of")


def settings_with(**mappings: str) -> Settings:
    return Settings.model_validate(
        {
            "channels": {
                name: {
                    "vendor": "shopify",
                    "url": "http://127.0.0.1:1",
                    "access_token": "t",
                    "webhook_secret": "s",
                    "mapping": mapping,
                }
                for name, mapping in mappings.items()
            }
        }
    )


def test_every_channel_gets_its_own_mapping(write):
    loaded = load_mappings(settings_with(shop="shopify-tryton", outlet=str(write(GOOD))))
    assert {channel: mapping.name for channel, mapping in loaded.items()} == {
        "shop": "shopify-tryton",
        "outlet": "pair",
    }


def test_a_channel_with_a_bad_mapping_names_its_variable():
    with pytest.raises(MappingError, match="ORDERWRIGHT_CHANNELS__OUTLET__MAPPING"):
        load_mappings(settings_with(outlet="unheard-of"))


def test_the_ownership_table_holds_and_answers():
    ownership = load_ownership()
    assert ownership.rule("order", "taxes").owner is Owner.STOREFRONT
    assert ownership.rule("shipment", "tracking_number").owner is Owner.ERP
    assert ownership.rule("order", "lines").foreign is ForeignWrite.OPEN_CASE
    with pytest.raises(OwnershipError, match=r"no rule for 'colour' in \[order\]"):
        ownership.rule("order", "colour")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[order]\nlines = { owner = "shop", write = "if_new", foreign = "ignore" }',
            r"\[order\] lines\.owner: .*'erp'",
        ),
        ('[order]\nlines = { owner = "erp", foreign = "ignore" }', r"\[order\] lines\.write: Field required"),
        ('[order]\nlines = "erp"', r"\[order\] lines: "),
        ("[order", "is not valid TOML"),
    ],
)
def test_a_mistake_in_the_ownership_file_names_file_and_place(tmp_path, text, words):
    path = tmp_path / "ownership.toml"
    path.write_text(text)
    with pytest.raises(OwnershipError, match=rf"ownership\.toml: {words}"):
        load_ownership(path)


def test_a_missing_ownership_file_is_told(tmp_path):
    with pytest.raises(OwnershipError, match="cannot be read"):
        load_ownership(tmp_path / "none.toml")


def test_returns_come_to_a_warehouse_that_a_location_is_mapped_to() -> None:
    with pytest.raises(ValidationError, match=r"\[returns\] warehouse is 'WH-NORTH', which no location"):
        sandbox_mapping(returns={"warehouse": "WH-NORTH"})
    assert sandbox_mapping(returns={"warehouse": "WH-WEST"}).returns.warehouse == "WH-WEST"

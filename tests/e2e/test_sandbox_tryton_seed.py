"""What the sandbox's ERP holds before the first order: the sandbox's catalogue."""

from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import catalog
from sandbox.tryton.rpc import Refused, Rpc
from sandbox.tryton.server import TrytonServer

pytestmark = [pytest.mark.tryton, pytest.mark.asyncio(loop_scope="module")]

STATE = Path(__file__).parents[2] / "var" / "tryton"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def erp(tmp_path_factory):
    async with TrytonServer(STATE, data_dir=tmp_path_factory.mktemp("erp")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def application(erp):
    async with Rpc(erp.url, erp.database, erp.login, erp.password) as rpc:
        yield rpc


async def id_of(rpc: Rpc, model: str, field: str, value: object) -> int:
    (found,) = await rpc.find(model, [[field, "=", value]], ["id"])
    return int(found["id"])


async def test_products_are_those_of_the_catalogue(application):
    products = await application.find(
        "product.product", [["type", "=", "goods"]], ["code", "list_price_used"]
    )
    assert {p["code"]: p["list_price_used"] for p in products} == {
        p["sku"]: Decimal(p["price"]) for p in catalog.PRODUCTS
    }
    services = await application.find("product.product", [["type", "=", "service"]], ["code"])
    booked = {"SHIPPING", "ADJUSTMENT", "RESTOCKING-FEE", "TAX-ROUNDING", *catalog.CHARGE_PRODUCTS.values()}
    assert {p["code"] for p in services} == booked


async def test_the_kit_has_its_components(application):
    kit = await id_of(application, "product.product", "code", catalog.KIT_SKU)
    (template,) = await application.read("product.product", [kit], ["template"])
    found = await application.find(
        "product.component",
        [["parent_template", "=", template["template"]]],
        ["product.code", "quantity"],
    )
    assert {(c["product."]["code"], c["quantity"]) for c in found} == set(catalog.KIT_COMPONENTS)


async def test_each_warehouse_holds_its_stock(application):
    for code, name, on_hand in catalog.LOCATIONS.values():
        (warehouse,) = await application.find(
            "stock.location", [["type", "=", "warehouse"], ["code", "=", code]], ["name"]
        )
        assert warehouse["name"] == name
        stock = await application.find(
            "product.product",
            [["code", "in", [catalog.PRODUCTS[0]["sku"], catalog.PRODUCTS[-1]["sku"]]]],
            ["quantity"],
            locations=[warehouse["id"]],
        )
        assert [s["quantity"] for s in stock] == [on_hand, on_hand]


async def test_each_tax_has_a_cent_on_the_same_account(application):
    taxes = await application.find(
        "account.tax", [], ["description", "type", "rate", "amount", "invoice_account", "group.code"]
    )
    by_code = {tax["description"]: tax for tax in taxes}
    assert set(by_code) == {code + end for code in catalog.TAXES for end in ("", "-ROUNDING")}
    for code, (_, rate) in catalog.TAXES.items():
        real, cent = by_code[code], by_code[f"{code}-ROUNDING"]
        assert (real["type"], real["rate"]) == ("percentage", Decimal(rate))
        assert (cent["type"], cent["amount"]) == ("fixed", Decimal("0.01"))
        assert real["invoice_account"] == cent["invoice_account"]
        assert real["group."]["code"] == cent["group."]["code"] == code


async def test_people_and_places(application):
    carriers = await application.find("carrier", [], ["party.rec_name", "party"])
    codes = await application.read("party.party", [c["party"] for c in carriers], ["code"])
    assert [c["code"] for c in codes] == [code for code, _ in catalog.CARRIERS.values()]
    for code, name, price_list in catalog.COMPANIES.values():
        (company,) = await application.find(
            "party.party", [["code", "=", code]], ["name", "sale_price_list.name"]
        )
        assert company["name"] == name
        assert company["sale_price_list."]["name"] == price_list
    methods = await application.find("account.invoice.payment.method", [], ["name"])
    assert {m["name"] for m in methods} == set(catalog.PAYMENT_METHODS.values())
    countries = await application.find("country.country", [], ["code"])
    assert {c["code"] for c in countries} == set(catalog.COUNTRIES)
    parts = await application.find("country.subdivision", [], ["code"])
    assert {p["code"] for p in parts} == {
        f"{country}-{part}" for country, found in catalog.SUBDIVISIONS.items() for part in found
    }


async def test_no_login_of_ours_is_an_administrator(erp, application):
    async with Rpc(erp.url, erp.database, erp.staff_login, erp.staff_password) as staff:
        for rpc in (application, staff):
            for model in ("res.user", "ir.module"):
                with pytest.raises(Refused, match="not allowed"):
                    await rpc.call(model, "write", [1], {"active": False})


async def test_tax_is_rounded_by_line(application):
    (configuration,) = await application.find("account.configuration", [], ["tax_rounding"])
    assert configuration["tax_rounding"] == "line"

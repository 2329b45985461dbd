"""How each vendor's calls are named, and how its own troubles read to the real adapter."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.errors import OutcomeUnknown, RateLimited, Unavailable
from adapters.shopify.client import map_errors
from adapters.shopify.documents import document
from sandbox.faults.messages import Answer, Request, Vendor
from sandbox.faults.rules import Fault, Rule
from sandbox.faults.spoiling import altered
from sandbox.faults.vendors import VENDORS

SHOPIFY, TRYTON, PLAIN = VENDORS["shopify"], VENDORS["tryton"], VENDORS["http"]


def call(body: Any, method: str = "POST", target: str = "/x?y=1") -> Request:
    return Request(method, target, [], body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("create_fulfillment", ("CreateFulfillment", "fulfillmentCreate", "writes")),
        ("probe", ("Probe", "shop", "currentAppInstallation", "reads")),
    ],
)
def test_a_shopify_call_goes_by_document_top_level_fields_and_kind(name, names):
    assert SHOPIFY.names(call({"query": document(name), "variables": {}})) == names


@pytest.mark.parametrize("body", [b"<html>", [], {"query": 5}, {}])
def test_what_is_not_graphql_goes_by_its_path(body):
    assert SHOPIFY.names(call(body)) == ("POST /x?y=1",)


def test_a_query_that_does_not_parse_is_named_so():
    assert SHOPIFY.names(call({"query": "query {"})) == ("unreadable",)


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("model.sale.sale.create", "writes"),
        ("wizard.stock.shipment.split.execute", "writes"),
        ("model.sale.sale.search_read", "reads"),
        ("common.db.login", "login"),
    ],
)
def test_a_tryton_call_goes_by_method_and_kind(method, kind):
    assert TRYTON.names(call({"method": method, "params": []})) == (method, kind)


def test_any_other_call_goes_by_method_and_path():
    assert PLAIN.names(call(b"", "GET", "/orders?page=2")) == ("GET /orders", "/orders", "reads")


@pytest.mark.parametrize("seconds", [0.5, 3.0, 90.0])
def test_shopifys_throttled_answer_tells_the_adapter_how_long_to_wait(seconds):
    answer = json.loads(SHOPIFY.throttled(seconds).body, parse_float=Decimal)
    error = map_errors(answer, "read order", writes=False, raw="")
    assert isinstance(error, RateLimited)
    assert error.retry_after == pytest.approx(timedelta(seconds=seconds), abs=timedelta(milliseconds=1))


def test_shopifys_error_inside_is_a_breakdown_of_the_shop():
    answer = json.loads(SHOPIFY.error_inside("").body)
    assert isinstance(map_errors(answer, "read order", writes=False, raw=""), Unavailable)
    assert isinstance(map_errors(answer, "capture", writes=True, raw=""), OutcomeUnknown)


@pytest.mark.parametrize(
    ("vendor", "told", "read_back"),
    [
        (SHOPIFY, {"total": {"shopMoney": {"amount": "10.05"}}, "amount": "1"}, "10.06"),
        (TRYTON, {"result": [{"amount": {"__class__": "Decimal", "decimal": "10.05"}}]}, "10.06"),
        (PLAIN, [{"amount": 10.05}], 10.06),
    ],
)
def test_an_amount_is_rewritten_in_the_vendors_own_form(vendor: Vendor, told: Any, read_back: Any):
    field = "shopMoney.amount" if vendor is SHOPIFY else "amount"
    rule = Rule(fault=Fault.REWRITE, field=field, add=Decimal("0.01"))
    changed = json.loads(altered(rule, vendor, Answer(200, [], json.dumps(told).encode())).body)
    match changed:
        case {"total": {"shopMoney": {"amount": found}}, "amount": "1"}:
            pass  # the other amount, which is not at the end of that path, stays
        case {"result": [{"amount": {"__class__": "Decimal", "decimal": found}}]}:
            pass
        case [{"amount": found}]:
            pass
        case _:
            pytest.fail(f"the answer lost its form: {changed}")
    assert found == read_back


def test_a_field_is_replaced_wherever_its_path_ends_so():
    rule = Rule(fault=Fault.REWRITE, field="currencyCode", value="EUR")
    told = {"a": {"currencyCode": "USD"}, "b": [{"currencyCode": "USD"}, {"c": 1}]}
    body = altered(rule, SHOPIFY, Answer(200, [], json.dumps(told).encode())).body
    assert json.loads(body) == {"a": {"currencyCode": "EUR"}, "b": [{"currencyCode": "EUR"}, {"c": 1}]}


def test_a_name_with_a_dot_of_its_own_is_found_at_the_end_of_a_path():
    rule = Rule(fault=Fault.REWRITE, field="currency..code", value="EUR")
    told = {"result": [{"currency.": {"code": "USD"}, "warehouse.": {"code": "WH-EAST"}}]}
    body = altered(rule, TRYTON, Answer(200, [], json.dumps(told).encode())).body
    assert json.loads(body) == {"result": [{"currency.": {"code": "EUR"}, "warehouse.": {"code": "WH-EAST"}}]}

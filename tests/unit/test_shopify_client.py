"""The Admin API client: an answer is data or one error of the tree, also where Shopify says 200."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from adapters.errors import (
    AdapterError,
    ContractBroken,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    SessionExpired,
    Unavailable,
)
from adapters.shopify.client import RESENDS, AdminApi
from tests.shopify_answers import TOKEN, URL, ScriptedShop, Step, Waits, data, errors


async def ask(step: Step, *, writes: bool = False) -> dict[str, Any]:
    steps = [step] * (RESENDS + 1)  # a throttled request is sent again
    shop = ScriptedShop(Probe=steps, CapturePayment=steps)
    api = AdminApi(URL, TOKEN, transport=shop, sleep=Waits())
    try:
        if writes:
            return await api.write("capture payment", "capture_payment", {"input": {}})
        return await api.read("probe", "probe", {})
    finally:
        await api.close()


async def refusal(step: Step, *, writes: bool = False) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        await ask(step, writes=writes)
    assert caught.value.system == "shopify"
    assert caught.value.operation == ("capture payment" if writes else "probe")
    return caught.value


def error(code: str | None, message: str = "No", **more: Any) -> dict[str, Any]:
    return {"message": message, **({"extensions": {"code": code}} if code else {}), **more}


def cost(requested: float, available: float, restored: float, maximum: float = 2000) -> dict[str, Any]:
    bucket = {"maximumAvailable": maximum, "currentlyAvailable": available, "restoreRate": restored}
    return {"cost": {"requestedQueryCost": requested, "actualQueryCost": None, "throttleStatus": bucket}}


async def test_the_request_carries_the_token_the_version_and_the_whole_document() -> None:
    shop = ScriptedShop(CapturePayment=data(orderCapture={"transaction": None, "userErrors": []}))
    api = AdminApi(URL, TOKEN, api_version="2026-07", transport=shop)
    await api.write("capture payment", "capture_payment", {"input": {"amount": "1.00"}})
    await api.close()
    (request,) = shop.requests
    assert str(request.url) == "https://test.myshopify.com/admin/api/2026-07/graphql.json"
    assert request.headers["x-shopify-access-token"] == TOKEN
    body = json.loads(request.content)
    assert body["variables"] == {"input": {"amount": "1.00"}}
    assert "fragment TransactionFields on OrderTransaction" in body["query"]


async def test_numbers_come_as_exact_decimals() -> None:
    step = httpx.Response(200, content=b'{"data": {"rate": 0.1}}')
    assert (await ask(step))["rate"] == Decimal("0.1")


@pytest.mark.parametrize(
    ("extensions", "seconds"),
    [
        (cost(520, 20, 100), 5.0),
        (cost(101, 100.5, 50), 0.01),
        (cost(50, 60, 100), 2.0),
        ({}, 2.0),
        ({"cost": {"requestedQueryCost": "many"}}, 2.0),
        (cost(520, 20, 0), 2.0),
        ({"cost": None}, 2.0),
    ],
    ids=["the bucket refills", "fractions", "already refilled", "no cost", "unreadable", "no rate", "null"],
)
async def test_throttled_waits_until_the_bucket_holds_the_cost(
    extensions: dict[str, Any], seconds: float
) -> None:
    for writes in (False, True):
        found = await refusal(errors(error("THROTTLED", "Throttled"), extensions=extensions), writes=writes)
        assert isinstance(found, RateLimited)
        assert found.retry_after == timedelta(seconds=seconds)


async def test_a_throttled_write_is_sent_again_because_it_was_not_run() -> None:
    throttled = errors(error("THROTTLED", "Throttled"), extensions=cost(520, 20, 100))
    done = data(orderCapture={"transaction": {"id": "1"}, "userErrors": []})
    shop, waits = ScriptedShop(CapturePayment=[throttled, done]), Waits()
    api = AdminApi(URL, TOKEN, transport=shop, sleep=waits)
    payload = await api.write("capture payment", "capture_payment", {"input": {}})
    await api.close()
    assert payload["transaction"] == {"id": "1"}
    assert shop.operations() == ["CapturePayment", "CapturePayment"]
    assert waits.seconds[0] == 5.0


async def test_what_costs_more_than_the_bucket_holds_is_never_granted() -> None:
    found = await refusal(errors(error("THROTTLED"), extensions=cost(1500, 1000, 50, maximum=1000)))
    assert isinstance(found, ContractBroken)
    assert "1500 points" in found.reason


async def test_access_denied_names_the_scope_and_the_remedy() -> None:
    denied = {
        "message": "Access denied for customer field.",
        "extensions": {"code": "ACCESS_DENIED", "requiredAccess": "`read_customers` access scope."},
        "path": ["order", "customer"],
    }
    found = await refusal(errors(denied, data={"order": {"customer": None}}))
    assert isinstance(found, Rejected)
    assert found.cause == "access_denied"
    assert "Access denied for customer field." in found.reason
    assert "grant the app `read_customers` access scope." in found.reason


@pytest.mark.parametrize(
    ("found_error", "for_a_read", "for_a_write"),
    [
        (error("SHOP_INACTIVE"), Rejected, Rejected),
        (error("ACCESS_DENIED", path=["orderCapture"]), Rejected, Rejected),
        (error("ACCESS_DENIED", path=["orderCapture", "transaction"]), Rejected, OutcomeUnknown),
        (error("INTERNAL_SERVER_ERROR"), Unavailable, OutcomeUnknown),
        (error("TIMEOUT"), Unavailable, OutcomeUnknown),
        (error("SOMETHING_NEW", path=["orderCapture"]), ContractBroken, OutcomeUnknown),
        (error("undefinedField"), ContractBroken, ContractBroken),
        (error("MAX_COST_EXCEEDED"), ContractBroken, ContractBroken),
        (error("BAD_REQUEST"), ContractBroken, ContractBroken),
        (error(None, "syntax error"), ContractBroken, ContractBroken),
    ],
)
async def test_errors_in_a_200_are_errors(
    found_error: dict[str, Any], for_a_read: type[AdapterError], for_a_write: type[AdapterError]
) -> None:
    # data beside errors does not make it a success
    payload = {"orderCapture": {"transaction": None, "userErrors": []}}
    assert type(await refusal(errors(found_error, data=payload))) is for_a_read
    assert type(await refusal(errors(found_error, data=payload), writes=True)) is for_a_write


async def test_errors_may_be_a_mere_sentence() -> None:
    found = await refusal(httpx.Response(200, json={"errors": "[API] Not here"}))
    assert isinstance(found, ContractBroken)
    assert "[API] Not here" in found.reason


@pytest.mark.parametrize(
    "content", [b"<html>", b"[]", b"{}", b'{"data": null}', b'{"data": {}}', b'{"data": 5}']
)
async def test_an_answer_without_data_and_errors_breaks_the_contract_and_is_kept(content: bytes) -> None:
    found = await refusal(httpx.Response(200, content=content))
    assert isinstance(found, ContractBroken)
    assert found.raw == content.decode()


async def test_user_errors_are_a_refusal_in_the_shops_words() -> None:
    payload = {
        "transaction": None,
        "userErrors": [
            {"field": ["input", "amount"], "message": "Amount is too high"},
            {"field": None, "message": "Try again later", "code": "INVALID"},
        ],
    }
    found = await refusal(data(orderCapture=payload), writes=True)
    assert isinstance(found, Rejected)
    assert found.reason == "input.amount: Amount is too high; Try again later"
    assert found.cause == "shop_refused:capture payment:invalid"


async def test_user_errors_of_any_name_are_found() -> None:
    payload = {
        "job": None,
        "orderCancelUserErrors": [{"field": ["orderId"], "message": "Unknown", "code": "NOT_FOUND"}],
    }
    found = await refusal(data(orderCapture=payload), writes=True)
    assert isinstance(found, Rejected)
    assert (found.reason, found.cause) == ("orderId: Unknown", "shop_refused:capture payment:not_found")


async def test_user_errors_of_another_form_break_the_contract() -> None:
    found = await refusal(data(orderCapture={"userErrors": [{"reason": "?"}]}), writes=True)
    assert isinstance(found, ContractBroken)
    assert "userErrors.0.message" in found.reason


async def test_a_write_that_says_nothing_may_have_happened() -> None:
    assert type(await refusal(data(orderCapture=None), writes=True)) is OutcomeUnknown


@pytest.mark.parametrize(
    ("step", "for_a_read", "for_a_write"),
    [
        (httpx.ReadTimeout("late"), Unavailable, OutcomeUnknown),
        (httpx.RemoteProtocolError("dropped"), Unavailable, OutcomeUnknown),
        (httpx.ConnectError("refused"), Unavailable, Unavailable),
        (httpx.Response(502), Unavailable, OutcomeUnknown),
        (httpx.Response(503), Unavailable, Unavailable),
        (httpx.Response(429, headers={"retry-after": "3"}), RateLimited, RateLimited),
        (httpx.Response(401, json={"errors": "[API] Invalid API key"}), SessionExpired, SessionExpired),
        (httpx.Response(404, json={"errors": "Not Found"}), Rejected, Rejected),
    ],
)
async def test_lost_answers_and_statuses(
    step: Step, for_a_read: type[AdapterError], for_a_write: type[AdapterError]
) -> None:
    assert type(await refusal(step)) is for_a_read
    assert type(await refusal(step, writes=True)) is for_a_write


async def test_the_token_is_in_no_error() -> None:
    for step in (httpx.Response(401), httpx.ConnectError("refused"), errors(error("ACCESS_DENIED"))):
        found = await refusal(step)
        assert TOKEN not in str(found)
        assert TOKEN not in repr(found)


async def test_the_version_that_answers_is_noted() -> None:
    answer = httpx.Response(200, json={"data": {"shop": 1}}, headers={"X-Shopify-API-Version": "2026-10"})
    api = AdminApi(URL, TOKEN, transport=ScriptedShop(Probe=answer))
    await api.read("probe", "probe", {})
    await api.close()
    assert api.served_version == "2026-10"

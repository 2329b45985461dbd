"""What is kept for long holds no personal data and no secrets."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from domain.order import Address, OrderKey
from domain.status import OrderStatus
from store.masking import mask


def test_personal_data_and_secrets_go_whatever_their_form() -> None:
    masked = mask(
        {
            "email": "ada@example.com",
            "shippingAddress": {"street": "1 Main St"},
            "customer_first_name": "Ada",
            "X-Shopify-Access-Token": "shpat_1",
            "phone": None,
            "lines": [{"buyer": {"name": "Ada", "sku": "A-1"}}],
            "reason": "mail to ada@example.com came back",
        }
    )
    assert masked == {
        "email": "***",
        "shippingAddress": "***",
        "customer_first_name": "***",
        "X-Shopify-Access-Token": "***",
        "phone": None,
        "lines": [{"buyer": {"name": "***", "sku": "A-1"}}],
        "reason": "mail to *** came back",
    }


def test_models_are_masked_inside() -> None:
    masked = mask({"where": Address(name="Ada", street=("1 Main St",), city="Oslo", country="NO")})
    assert masked["where"] == {
        "name": "***",
        "company": None,
        "street": "***",
        "city": "***",
        "postal_code": "***",
        "state": None,
        "country": "NO",
        "phone": None,
    }


def test_what_an_operator_needs_stays_exact() -> None:
    masked = mask(
        {
            "total": Decimal("19.90"),
            "at": datetime(2026, 7, 1, 12, tzinfo=UTC),
            "status": OrderStatus.CLOSED,
            "key": OrderKey(channel="shop", external_id="5001"),
            "warehouse_name": "East",
            "number": "#1001",
            "units": 3,
            "done": True,
        }
    )
    assert masked == {
        "total": "19.90",
        "at": "2026-07-01T12:00:00+00:00",
        "status": "closed",
        "key": {"channel": "shop", "external_id": "5001"},
        "warehouse_name": "East",
        "number": "#1001",
        "units": 3,
        "done": True,
    }


def test_what_has_no_exact_form_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="'weight' is a float"):
        mask({"lines": [{"weight": 0.1}]})

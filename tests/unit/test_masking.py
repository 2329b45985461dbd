"""What is kept for long names no buyer's address."""

import pytest

from store.masking import LONGEST_EVIDENCE, mask_emails, mask_evidence


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("party ada@example.com is unknown", "party *** is unknown"),
        ("<ada.b+shop@mail.example.co.uk>, twice: x@y.io", "<***>, twice: ***"),
        ("customer (ada@example.com) called", "customer (***) called"),
        ("5 @ USD 19.90, no address", "5 @ USD 19.90, no address"),
    ],
)
def test_email_addresses_are_masked_and_nothing_else(text: str, kept: str) -> None:
    assert mask_emails(text) == kept


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("Authorization: Bearer abc.def-ghi", "Authorization: ***"),
        ("authorization: Session YWRtaW46MTo=", "authorization: ***"),
        ('{"access_token": "abc", "sku": "TEE"}', '{"access_token": "***", "sku": "TEE"}'),
        ("{'password': 'it\\'s', 'code': 'X'}", "{'password': '***', 'code': 'X'}"),
        ("X-Shopify-Access-Token: shpat_0123", "X-Shopify-Access-Token: ***"),
        ("sent shpat_0123abc to us", "sent *** to us"),
        ("GET /?api_key=abc&sku=TEE", "GET /?api_key=***&sku=TEE"),
        ("https://ada:secret@erp.example/x", "https://erp.example/x"),
        ('{"firstName": "Ada", "total": "3.00"}', '{"firstName": "***", "total": "3.00"}'),
        ("{'party_name': 'Ada Lovelace', 'city': 'Lon", "{'party_name': '***', 'city': '***'"),
        ("address1: 'Main 1'", "address1: '***'"),
        ('{"name": "#1001", "token_count": 3}', '{"name": "***", "token_count": ***}'),
        ("the session has 3 lines", "the session has 3 lines"),
        ("no product ABC-1", "no product ABC-1"),
    ],
)
def test_evidence_keeps_no_secret_and_no_address(raw: str, kept: str) -> None:
    assert mask_evidence(raw) == kept


def test_evidence_is_cut() -> None:
    assert len(mask_evidence("x" * 10_000)) == LONGEST_EVIDENCE

"""What is kept for long names no buyer's address."""

import pytest

from store.masking import mask_emails


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

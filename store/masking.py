"""Takes personal data and secrets out of what is kept for long."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel

MASK = "***"

_SENSITIVE = re.compile(
    r"(^|_)(name|first_name|last_name|email|phone|street|address\d?|city|postal_code|zip|latitude|longitude|ip|note"
    r"|token|secret|password|authorization|api_key|access_key|signature|hmac|cookie|session)$"
)
_HARMLESS = re.compile(r"(^|_)(warehouse|carrier|product|file|host|system|event|workflow|country)_name$")
_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-\s]+")
_EMAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"'.]+")


def mask(detail: Mapping[str, Any]) -> dict[str, Any]:
    """A copy fit for JSON, without buyers' data and secrets.

    What stands under a telling key (``email``, ``shippingAddress``, ``access_token``) becomes ``***``, whole; e-mail
    addresses are masked wherever they stand. Money becomes its text. Raises TypeError, naming the key, for a value
    that has no exact form in JSON, such as a float.
    """
    return {str(key): _masked(str(key), value) for key, value in detail.items()}


def _masked(key: str, value: Any) -> Any:
    plain_key = _WORD_STARTS.sub("_", key).lower()
    if value is not None and _SENSITIVE.search(plain_key) and not _HARMLESS.search(plain_key):
        return MASK
    match value:
        case None | bool() | int():
            return value
        case Enum():
            return _masked(key, value.value)
        case str():
            return _EMAIL.sub(MASK, value)
        case Decimal():
            return format(value, "f")
        case datetime() | date():
            return value.isoformat()
        case BaseModel():
            return mask({name: getattr(value, name) for name in type(value).model_fields})
        case Mapping():
            return mask(value)
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [_masked(key, item) for item in value]
    msg = f"{key!r} is a {type(value).__name__}, which cannot be kept exactly; give text, whole numbers or Decimal"
    raise TypeError(msg)

"""Shopify's global ids: ``gid://shopify/Order/5001`` outside, ``"5001"`` within this project."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

_GID = re.compile(r"gid://shopify/(\w+)/([\w-]+)")


def gid(kind: str, number: str) -> str:
    """The global id of a thing: ``gid("Order", "5001")`` is ``gid://shopify/Order/5001``."""
    return f"gid://shopify/{kind}/{number}"


def id_tail(value: Any) -> str:
    """The number at the end of a global id. Raises ValueError for anything that is none."""
    match = _GID.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        msg = f"{value!r} is not an id such as gid://shopify/Order/5001"
        raise ValueError(msg)
    return match[2]


GidTail = Annotated[str, BeforeValidator(id_tail)]

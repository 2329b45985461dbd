"""Where the stack of ``orderwright up`` is that runs in this folder, for commands in other terminals."""

import json
from pathlib import Path
from typing import Final

from sandbox.addresses import Addresses
from sandbox.failures import PartFailed

FOLDER: Final = Path("var/up")


class NotUp(PartFailed):
    """No stack was started in this folder."""


def running_stack(folder: Path = FOLDER) -> Addresses:
    """Its addresses. Raises NotUp."""
    file = folder / "stack.json"
    if not file.is_file():
        raise NotUp("this works with the embedded stack only; start it in this folder with: orderwright up")
    return Addresses(**json.loads(file.read_text(encoding="utf-8")))


def order_number(text: str) -> int:
    """The storefront's id of an order that is told as ``shop:5001`` or ``5001``. Raises ValueError."""
    number = text.strip().rpartition(":")[2]
    if not number.isdecimal():
        msg = f"{text!r} is no order; name it as orderwright order list does: shop:5001"
        raise ValueError(msg)
    return int(number)

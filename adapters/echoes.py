"""What a webhook tells, in one phrase that is the same from whoever says it: its reader, and the adapter after a write.

Where both phrases are equal the webhook is the echo of our own write. A phrase names the document and all that the
webhook says of it; a webhook that says more has no phrase.

That an order was updated is said after each of our writes, too, and is no news but for addresses and note: whether
these are other ones, the webhooks before it say.
"""

import json
from hashlib import sha256
from typing import Any


def directions_of(*parts: Any) -> str:
    """A fingerprint of addresses and a note as a webhook has them; equal while they are."""
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def refund_made(refund_id: str) -> str:
    """Of a refund, which is made once and never changed."""
    return f"refund {refund_id} made"


def return_stands(return_id: str, status: str, units: int | None = None) -> str:
    """Of a return that stands elsewhere now: ``open``, ``closed``; ``units`` are all of it, where they are told."""
    return f"return {return_id} {status}" + ("" if units is None else f", {units} units")

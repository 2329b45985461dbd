"""What the paths of pages name."""

from domain.order import OrderKey
from web.refusals import Refused


def order_key(channel: str, external_id: str) -> OrderKey:
    """The order that a path names. Raises Refused."""
    if not (channel.isprintable() and external_id.isprintable()):
        raise Refused(404, "no_order", "an order's name has no such characters", "find it by its number")
    return OrderKey(channel=channel, external_id=external_id)

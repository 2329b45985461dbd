"""``orderwright order cancel-rest|ship-rest-later|wait-for-all``: what is to become of units that are not in stock."""

import typer

from orderwright.order_commands import Named, NoWait, orders
from orderwright.order_messages import send
from orderwright.terminal import Actor, AsJson, Reason

__all__ = ["orders"]


@orders.command("cancel-rest")
def cancel_rest(
    ctx: typer.Context,
    order: Named,
    *,
    reason: Reason = "",
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Cancel in both systems what is on backorder of an order, or what the ERP gave up; all else of it goes on."""
    send(ctx, order, "cancel_rest", reason, actor, wait=not no_wait, as_json=as_json)


@orders.command("ship-rest-later")
def ship_rest_later(
    ctx: typer.Context,
    order: Named,
    *,
    reason: Reason = "",
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Let leave what is in stock of an order that is to leave complete, and the rest as it comes."""
    send(ctx, order, "ship_what_is_there", reason, actor, wait=not no_wait, as_json=as_json)


@orders.command("wait-for-all")
def wait_for_all(
    ctx: typer.Context,
    order: Named,
    *,
    reason: Reason = "",
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Answer what becomes of a backorder: the order waits until all of it is in stock."""
    send(ctx, order, "wait_for_all", reason, actor, wait=not no_wait, as_json=as_json)

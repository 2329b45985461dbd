"""Orders that have stopped with a problem, and how an operator lets them go on."""

from collections.abc import Collection

from sandbox.house import House, workflow_id
from workflows.messages import OperatorMessage


async def until_stopped(house: House, ids: Collection[str], *, within: float) -> dict[str, str]:
    """Wait until all orders have stopped; returns what each says. Raises HouseStuck."""
    await house.until(ids, lambda row: bool(row.problem), "have stopped", within=within)
    listed = await house.listed()
    return {each: listed[each].problem for each in ids}


async def release(house: House, ids: Collection[str]) -> None:
    """Tell each order that what stopped it is mended."""
    for each in ids:
        message = OperatorMessage(message_id=f"drill-{each}", actor="drill", reason="mended")
        await house.client.get_workflow_handle(workflow_id(each)).signal("resubmit", message)

"""Proves one order: reads both systems afresh, keeps its ledger and holds it against the equations of its balance."""

import asyncio
from typing import Any

from temporalio.client import Client

from adapters.ports import MappingSource
from config.settings import Settings
from domain.balance import Equation, Proof, prove
from domain.mapping import Mapping, Unmapped
from domain.order import Order, OrderKey
from orderwright.terminal import CommandFailed, print_table
from web.desk.operations import OrderNotFound, ask, temporal
from workers.composition import compose
from workflows.messages import OrderView


async def read_proof(settings: Settings, key: OrderKey) -> tuple[Order, Proof]:
    """The order and its proof as of now; nothing is changed. Raises any leaf of ``adapters.errors``, CommandFailed.

    With the mapping that the order is pinned to and what people accepted, as its workflow tells; where Temporal has
    no history of it any more, with the mapping in force and nothing accepted.
    """
    settings.channel(key.channel)
    async with compose(settings) as parts, temporal(settings.temporal) as client:
        view = await _view(client, key)
        # Read after the workflow answered: an acceptance is of what is there already.
        order = await parts.storefronts[key.channel].read_order(key.external_id)
        erp = await parts.erp.find_order(key)
        mapping = await asyncio.to_thread(
            _mapping, parts.mappings, view.mapping_version if view else "", key.channel
        )
    try:
        return order, prove(order, erp, mapping, view.acceptances if view else ())
    except Unmapped as error:
        raise CommandFailed(f"{key} cannot be proved: {error}") from error


async def _view(client: Client, key: OrderKey) -> OrderView | None:
    try:
        view, _ = await ask(client, key)
    except OrderNotFound:
        return None
    return view


def print_proof(order: Order, proof: Proof) -> None:
    """Ledger, equations, verdict."""
    titles = {line.line_id: line.title for line in order.lines}
    titles |= {each.charge_id: each.title for each in order.charges}
    entries = (
        (e.kind.value, e.side.value, e.document, _called(e.subject, titles), e.words)
        for e in proof.ledger.entries
    )
    heads = ("What", "Side", "Source", "Of", "How much")
    print_table("Ledger", heads, entries, wide={"Source", "Of"})
    verdicts = ((_verdict(each), each.sentence(order.currency)) for each in proof.equations)
    print_table("Equations", ("Verdict", "Equation"), verdicts, wide={"Equation"})


def as_plain(order: Order, proof: Proof) -> dict[str, Any]:
    """The same for programs: each equation with its verdict and its sentence."""
    return {
        "order": str(order.key),
        "balanced": proof.report.balanced,
        "ledger": proof.ledger.entries,
        "equations": [
            {
                **each.told.model_dump(),
                "verdict": _verdict(each).lower(),
                "sentence": each.sentence(order.currency),
            }
            for each in proof.equations
        ],
        "report": proof.report,
    }


def _called(subject: str, titles: dict[str, str]) -> str:
    return f"{subject} ({titles[subject]})" if subject in titles else subject


def _verdict(equation: Equation) -> str:
    if equation.holds:
        return "holds"
    return "accepted" if equation.accepted else "BROKEN"


def _mapping(mappings: MappingSource, pinned: str, channel: str) -> Mapping:
    try:
        return mappings.version(pinned) if pinned else mappings.current(channel)
    except KeyError:
        # The store was replaced since: what is in force is the best there is.
        return mappings.current(channel)

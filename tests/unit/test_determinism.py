"""Workflows are replayed: their code, and all pure code that it calls, may ask nothing but its input and Temporal.

Workers run workflows without the SDK's sandbox (docs/decisions/0010). It guarded the one module that holds the workflow
class; this reads every module that a workflow runs.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DETERMINISTIC = sorted(
    path
    for folder in ("domain", "workflows", "activities")
    for path in (ROOT / folder).glob("*.py")
    if folder != "activities" or path.name == "contracts.py"
)
HARMLESS = {
    "__future__",
    "asyncio",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "typing",
    "pydantic",
    "temporalio",
    "activities",
    "domain",
    "workflows",
}
"""What deterministic code may import; nothing here asks a clock, dice, the environment, a file or the network, but for
the calls below."""
ASYNCIO = {"create_task", "shield", "CancelledError", "gather", "Lock", "Task"}
"""Of asyncio, what Temporal's own event loop runs in the same order each time."""
CLOCKS = {"now", "utcnow", "today"}
OUTSIDE = {"open", "input", "print", "exec", "eval", "__import__", "id", "hash"}


def offences(source: str) -> list[str]:
    """What in a module could turn out otherwise the second time."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [f"imports {a.name}" for a in names if a.name.split(".")[0] not in HARMLESS]
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] not in HARMLESS:
                found.append(f"imports {module}")
            case ast.Attribute(value=ast.Name(id="asyncio"), attr=attr) if attr not in ASYNCIO:
                found.append(f"uses asyncio.{attr}")
            case ast.Attribute(value=ast.Name(id="datetime" | "date"), attr=attr) if attr in CLOCKS:
                found.append(f"asks the clock: {attr}")
            case ast.Call(func=ast.Name(id=name)) if name in OUTSIDE:
                found.append(f"calls {name}")
            case ast.For(iter=over) | ast.comprehension(iter=over) if _is_set(over):
                found.append(f"line {over.lineno}: goes through a set in no certain order; sort it")
            case ast.Global(names=names):
                found.append(f"shares {', '.join(names)} between orders")
    return found


def _is_set(over: ast.expr) -> bool:
    match over:
        case ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.Sub(), left=left, right=right):
            return _is_set(left) or _is_set(right)
    return False


@pytest.mark.parametrize("path", DETERMINISTIC, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_workflows_code_turns_out_the_same_each_time(path: Path) -> None:
    assert offences(path.read_text(encoding="utf-8")) == []


def test_all_of_it_is_read() -> None:
    names = {f"{path.parent.name}/{path.name}" for path in DETERMINISTIC}
    assert {"workflows/order.py", "workflows/narrative.py", "domain/quantities.py"} <= names


@pytest.mark.parametrize(
    "source",
    [
        "import random",
        "from time import monotonic",
        "from uuid import uuid4",
        "import os.path",
        "async def f():\n    await asyncio.to_thread(g)",
        "x = datetime.now(UTC)",
        "x = open('file')",
        "for x in {1, 2}:\n    f(x)",
        "x = [f(y) for y in set(z) | {1}]",
        "def f():\n    global x\n    x = 1",
    ],
)
def test_what_could_differ_is_found(source: str) -> None:
    assert len(offences(source)) == 1


def test_workflow_time_is_allowed() -> None:
    assert (
        offences("from temporalio import workflow\nx = workflow.now()\nfor y in sorted({1, 2}):\n    f(y)")
        == []
    )

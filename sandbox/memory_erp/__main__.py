"""``python -m sandbox.memory_erp``: the memory ERP in a process of its own."""

from pathlib import Path
from typing import Annotated

import typer

from sandbox.memory_erp.server import serve


def main(
    state: Annotated[Path, typer.Option(help="SQLite file that keeps the books.")],
    port: Annotated[int, typer.Option(help="Port on the loopback interface.")] = 8075,
    seconds_per_order: Annotated[
        float, typer.Option(help="How long it takes over an order; it takes one at a time.")
    ] = 0.0,
) -> None:
    """Run until Ctrl-C or SIGTERM."""
    serve(state, port, seconds_per_order)


if __name__ == "__main__":
    typer.run(main)

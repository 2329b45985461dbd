"""Runs the ERP alone: prints where it is as one line of JSON, then serves until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from sandbox.failures import PreparationFailed
from sandbox.tryton.server import DEFAULT_STATE_DIR, TrytonServer


def _say(text: str) -> None:
    # Standard output carries the one line that a supervisor reads.
    print(text, file=sys.stderr, flush=True)


async def _serve(server: TrytonServer) -> int:
    loop, told_to_stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    starting = asyncio.create_task(server.start())
    stopping = asyncio.create_task(told_to_stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return 0
    try:
        starting.result()
        where = {
            "url": server.url,
            "database": server.database,
            "login": server.login,
            "password": server.password,
            "staff_login": server.staff_login,
            "staff_password": server.staff_password,
            "pid": server.pid,
        }
        print(json.dumps(where), flush=True)
        ended = asyncio.create_task(server.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            _say(f"Tryton ended by itself with status {ended.result()}; see {server.log}")
            return 1
        ended.cancel()
    except PreparationFailed as error:
        _say(f"error: {error}")
        return 1
    finally:
        stopping.cancel()
        await server.stop()
    return 0


def main() -> int:
    """Read the options, serve; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.tryton", description=__doc__)
    parser.add_argument("--state-dir", type=Path, default=DEFAULT_STATE_DIR, help="where Tryton is installed")
    parser.add_argument(
        "--data-dir", type=Path, default=None, help="where the database is (default: STATE_DIR/data)"
    )
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one")
    parser.add_argument(
        "--fresh", action="store_true", help="start from the seeded database, forgetting the last run"
    )
    options = parser.parse_args()
    server = TrytonServer(
        options.state_dir, data_dir=options.data_dir, port=options.port, fresh=options.fresh, say=_say
    )
    return asyncio.run(_serve(server))


if __name__ == "__main__":
    sys.exit(main())

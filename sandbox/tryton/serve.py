"""Serves the ERP over HTTP. Runs in Tryton's own environment: it imports nothing of this project.

Usage: ``python serve.py PORT`` with TRYTOND_CONFIG and TRYTOND_DATABASE_NAMES set, as for any WSGI server of Tryton.
Port 0 takes a free one. Prints ``listening PORT`` once it listens, and ends on SIGTERM or when its standard input
closes: a parent that dies, however it dies, takes the server with it.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from trytond.application import app
from werkzeug.serving import make_server

GRACE = 10.0
"""Seconds that a call under way has to end after SIGTERM."""
one_at_a_time = threading.Lock()


def serialized(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Let one call at a time into the ERP.

    On SQLite a transaction reads before it locks: two parallel confirmations of one sale would both invoice it.
    Long polling must not hold the others up.
    """
    answer: Iterable[bytes]
    if environ["PATH_INFO"].endswith("/bus"):
        answer = app(environ, start_response)
    else:
        with one_at_a_time:
            answer = app(environ, start_response)
    return answer


def main(port: int) -> None:
    """Serve until told to stop."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server("127.0.0.1", port, serialized, threaded=True)

    def stop(*_: object) -> None:
        # shutdown() waits for the loop that this thread is in, so it needs another one.
        threading.Thread(target=server.shutdown, daemon=True).start()

    def stop_with_parent() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=stop_with_parent, daemon=True).start()
    print(f"listening {server.port}", flush=True)
    server.serve_forever()
    one_at_a_time.acquire(timeout=GRACE)
    # Threads of idle connections would keep the interpreter waiting.
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))

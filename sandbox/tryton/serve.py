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
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from trytond.application import app
from trytond.backend.sqlite.database import Database, SQLiteConnection
from werkzeug.serving import make_server

GRACE = 10.0
"""Seconds that a call under way has to end after SIGTERM."""
one_at_a_time = ThreadPoolExecutor(max_workers=1)


class KeptConnections(threading.local):
    """A thread's connections to SQLite that no transaction has in hand, by the name of their database.

    Tryton opens one for each transaction, of which a call has three, and the last one that is closed writes the whole
    log back into the file. Opening alone was a seventh of its time in a profile of many orders.
    """

    def __init__(self) -> None:
        self._idle: defaultdict[str, list[SQLiteConnection]] = defaultdict(list)

    def begin(self) -> None:
        """Let Tryton open only what is not there."""
        connect, put = Database.connect, Database.put_connection

        def take(database: Database) -> Database:
            idle = self._idle[database.name]
            if database._conn is None and idle:  # noqa: SLF001  where Tryton keeps it
                database._conn = idle.pop()  # noqa: SLF001
            return connect(database)

        def give_back(database: Database, connection: SQLiteConnection | None = None) -> None:
            put(database, connection)
            if connection is not None and database.name != ":memory:":
                self._idle[database.name].append(connection)
                database._conn = None  # noqa: SLF001

        Database.connect, Database.put_connection = take, give_back


def answered(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The whole answer of a call, all of it made in this thread."""
    answer: Iterable[bytes] = app(environ, start_response)
    try:
        return [*answer]
    finally:
        if hasattr(answer, "close"):
            answer.close()


def serialized(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Let one call at a time into the ERP.

    On SQLite a transaction reads before it locks: two parallel confirmations of one sale would both invoice it.
    Long polling must not hold the others up.
    """
    if environ["PATH_INFO"].endswith("/bus"):
        return answered(environ, start_response)
    return one_at_a_time.submit(answered, environ, start_response).result()


def main(port: int) -> None:
    """Serve until told to stop."""
    KeptConnections().begin()
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
    with suppress(TimeoutError):
        one_at_a_time.submit(int).result(timeout=GRACE)
    # Threads of idle connections would keep the interpreter waiting.
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))

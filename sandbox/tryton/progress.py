"""Long steps of the preparation: run one at a time across processes, and tell how they get on."""

import contextlib
import fcntl
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from sandbox.failures import PreparationFailed

HEARTBEAT = 5.0
"""Seconds of silence after which a step says that it is still at it."""
POLL = 0.2
"""Seconds between looks at whether something has ended."""
TAIL = 15
"""Last lines of output that a failure shows."""


@contextmanager
def turn(state_dir: Path, say: Callable[[str], None], stop: threading.Event | None = None) -> Iterator[None]:
    """Hold the state directory's lock: a second process that prepares the same one waits, then finds it done.

    The operating system gives the lock back when its holder ends, however it ends. Raises PreparationFailed when
    ``stop`` is set while waiting.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    stop = stop or threading.Event()
    told = False
    with (state_dir / "prepare.lock").open("w") as lock:
        while not _locked(lock):
            if not told:
                say("another process is preparing Tryton; waiting for it")
                told = True
            if stop.wait(POLL):
                raise PreparationFailed("stopped while waiting for another process that prepares Tryton")
        yield


def _locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def run_step(
    what: str,
    command: list[str],
    say: Callable[[str], None],
    *,
    env: dict[str, str] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Run ``command`` to its end, passing its lines on to ``say`` with the seconds so far.

    ``env`` replaces the environment. The command is ended when this one is interrupted or ``stop`` is set. Raises
    PreparationFailed, with the last lines where the command fails.
    """
    try:
        process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except OSError as error:
        raise PreparationFailed(f"{what}: {command[0]} cannot be started ({error})") from error
    step = _Step(what, process, say)
    try:
        step.follow(stop or threading.Event())
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        step.finish_reading()
    if process.returncode:
        lines = "\n  ".join(step.tail) or "(it said nothing)"
        raise PreparationFailed(f"{what} ended with status {process.returncode}:\n  {lines}")
    step.tell("done")


class _Step:
    """A running command, its last lines, and when it was last heard of."""

    def __init__(self, what: str, process: subprocess.Popen[str], say: Callable[[str], None]) -> None:
        self._what, self._process, self._say = what, process, say
        self._started = self._spoke = time.monotonic()
        self.tail: deque[str] = deque(maxlen=TAIL)
        self._reader = threading.Thread(target=self._relay, name="preparation output", daemon=True)
        self._reader.start()

    def tell(self, text: str) -> None:
        """Say ``text`` with the seconds since the start."""
        self._spoke = time.monotonic()
        self._say(f"{self._what}: {text} ({self._spoke - self._started:.0f} s)")

    def follow(self, stop: threading.Event) -> None:
        """Wait for the end, breaking a long silence now and then. Raises PreparationFailed when ``stop`` is set."""
        while self._process.poll() is None:
            if stop.is_set():
                raise PreparationFailed(f"{self._what}: stopped before its end")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=POLL)
            if self._process.poll() is None and time.monotonic() - self._spoke >= HEARTBEAT:
                self.tell("still at it")

    def finish_reading(self) -> None:
        """Take in what the command said last."""
        self._reader.join(timeout=5)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _relay(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if text := line.rstrip():
                self.tail.append(text)
                self.tell(text)

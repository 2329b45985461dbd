"""A second stack in the same directory is refused, before it touches anything; a crash leaves no lock behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.stack import Stack
from sandbox.stack_lock import StackIsUp, StackLock

HOLDER = """
import sys, time
from pathlib import Path
from sandbox.stack_lock import StackLock
StackLock(Path(sys.argv[1])).take()
print("taken", flush=True)
time.sleep(60)
"""


def test_the_second_is_told_whose_it_is_and_may_have_it_afterwards(tmp_path: Path):
    first, second = StackLock(tmp_path), StackLock(tmp_path)
    first.take()
    with pytest.raises(StackIsUp) as told:
        second.take()
    assert f"a stack is up already in {tmp_path} (process {os.getpid()}, since 20" in str(told.value)
    first.give_back()
    second.take()
    second.give_back()


def test_a_fresh_start_forgets_all_but_the_lock(tmp_path: Path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "web.log").touch()
    (tmp_path / "env").touch()
    lock, second = StackLock(tmp_path), StackLock(tmp_path)
    lock.take()
    lock.clear()
    assert [each.name for each in tmp_path.iterdir()] == ["lock"]
    with pytest.raises(StackIsUp):
        second.take()
    lock.give_back()


async def test_a_second_stack_leaves_alone_what_the_first_one_wrote(tmp_path: Path):
    kept = tmp_path / "env"
    kept.write_text("ORDERWRIGHT_WEB__PORT=8080\n")
    lock = StackLock(tmp_path)
    lock.take()
    said: list[str] = []
    with pytest.raises(StackIsUp):
        async with Stack(tmp_path, fresh=True, say=said.append):
            pass
    lock.give_back()
    assert kept.read_text() == "ORDERWRIGHT_WEB__PORT=8080\n"
    assert said == []


def test_a_crash_gives_the_lock_back(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "taken\n"
        with pytest.raises(StackIsUp, match=f"process {holder.pid}, since"):
            StackLock(tmp_path).take()
        holder.kill()
        holder.wait()
    lock = StackLock(tmp_path)
    lock.take()
    lock.give_back()

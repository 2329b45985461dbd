"""The proxies as a process of their own, told what to do over the control API and from the shell."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from sandbox.faults.client import ControlRefused, Faults
from sandbox.faults.rules import Fault, Rule
from sandbox.processes import free_port
from tests.running_store import RunningStore, answers, until


@pytest.fixture
def control(store: RunningStore) -> Iterator[str]:
    """Address of the control API of one proxy, before the store."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "orderwright", "faults", "serve", "--control-port", str(port)]
    command += ["--proxy", f"store=http,{free_port()},{store.url}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until(lambda: answers(url), 30)
        yield url
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture
async def faults(control: str) -> AsyncIterator[Faults]:
    async with Faults(control) as faults:
        yield faults


def shell(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orderwright", "faults", *arguments, "--url", url]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


async def test_rules_are_set_lifted_and_cleared_and_calls_are_told(faults: Faults):
    (proxy,) = await faults.proxies()
    async with httpx.AsyncClient(base_url=proxy.url) as client:
        assert (await client.get("/healthz")).status_code == 200
        number = await faults.set_rule("store", Rule(fault=Fault.STATUS, calls="/healthz", status=502))
        await faults.set_rule("store", Rule(fault=Fault.RATE_LIMIT, calls="GET *", retry_after=7))
        assert (await client.get("/healthz")).status_code == 502
        await faults.lift("store", number)
        limited = await client.get("/healthz")
        assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
        await faults.clear("store")
        assert (await client.get("/control/orders")).json() == []
    told = [(call.operation, call.fault, call.forwarded, call.status) for call in await faults.log("store")]
    assert told == [
        ("GET /healthz", None, True, 200),
        ("GET /healthz", Fault.STATUS, False, 502),
        ("GET /healthz", Fault.RATE_LIMIT, False, 429),
        ("GET /control/orders", None, True, 200),
    ]
    assert [call.number for call in await faults.log("store", after=2)] == [3, 4]
    counts = await faults.counts("store")
    assert (counts.calls, counts.forwarded) == (4, 2)
    assert counts.by_operation == {"GET /healthz": 3, "GET /control/orders": 1}
    assert counts.by_fault == {"status": 1, "rate-limit": 1}


async def test_refusing_is_ended_over_the_control_api_on_the_same_port(faults: Faults):
    (proxy,) = await faults.proxies()
    await faults.set_rule("store", Rule(fault=Fault.REFUSE))
    async with httpx.AsyncClient(base_url=proxy.url) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/healthz")
        await faults.clear("store")
        assert (await client.get("/healthz")).is_success


async def test_the_shell_sets_rules_reads_the_log_and_explains_refusals(control: str, faults: Faults):
    (proxy,) = await faults.proxies()
    told = shell(control, "set", "store", '{"fault": "status", "status": 500}')
    assert (told.returncode, told.stdout.strip()) == (0, "1"), told.stderr
    async with httpx.AsyncClient(base_url=proxy.url) as client:
        assert (await client.get("/healthz")).status_code == 500
    (line,) = shell(control, "log", "store").stdout.splitlines()
    assert json.loads(line)["fault"] == "status"
    assert json.loads(shell(control, "list").stdout)["rules"][0]["struck"] == 1
    wrong = shell(control, "set", "erp", '{"fault": "cut"}')
    assert (wrong.returncode, "there is no proxy 'erp'; there are store" in wrong.stderr) == (1, True)
    assert shell(control, "set", "store", '{"fault": "rewrite"}').returncode == 2
    assert "no proxies answer" in shell(f"http://127.0.0.1:{free_port()}", "list").stderr


async def test_an_unknown_proxy_is_refused_by_name(faults: Faults):
    with pytest.raises(ControlRefused, match="there are store"):
        await faults.counts("erp")

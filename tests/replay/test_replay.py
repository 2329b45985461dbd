"""Orders that live for months must survive a deployment: every history recorded of a release still replays."""

import json
import re
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.worker import Replayer, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import NondeterminismError

import tests.replay.cancel_paths  # noqa: F401  # its paths are listed by being read
from adapters.payloads import DATA_CONVERTER
from tests.replay import exchange_paths, histories, paths, return_paths
from workers.stock import WORKFLOWS as STOCK_WORKFLOWS
from workers.worker import RUNNER
from workflows.customer_return import ReturnWorkflow
from workflows.erp_feed import ErpFeedWorkflow
from workflows.messages import ORDER_WORKFLOW, OrderResult
from workflows.order import OrderWorkflow
from workflows.order_state import OrderStart

RUNS = [(release, name) for release in histories.releases() for name in histories.names(release)]
TOTAL_BYTES = 3_000_000
WORKFLOWS = (OrderWorkflow, ReturnWorkflow, ErpFeedWorkflow, *STOCK_WORKFLOWS)


# The SDK's own guard of the modules that hold a workflow class; what they share is read by unit/test_determinism.
SANDBOX = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules(
        "activities", "adapters", "config", "domain", "store", "pydantic", "pydantic_core"
    )
)


def replayer(*workflows: type, runner: WorkflowRunner = RUNNER) -> Replayer:
    """As a worker would run them."""
    return Replayer(workflows=workflows, workflow_runner=runner, data_converter=DATA_CONVERTER)


@pytest.mark.parametrize(("release", "name"), RUNS)
async def test_a_recorded_history_still_replays(release: str, name: str) -> None:
    await replayer(*WORKFLOWS).replay_workflow(histories.load(release, name))


@pytest.mark.parametrize(("release", "name"), RUNS)
async def test_it_replays_in_the_sandbox_too(release: str, name: str) -> None:
    guarded = replayer(*WORKFLOWS, runner=SANDBOX)
    await guarded.replay_workflow(histories.load(release, name))


def test_every_shape_and_path_is_recorded() -> None:
    assert {*return_paths.RULES, *exchange_paths.RULES} <= set(paths.PATHS)
    newest = histories.releases()[-1]
    recorded = set(histories.names(newest))
    assert paths.expected() <= recorded
    first_runs = {re.sub(r"-\d+$", "", name) if name not in paths.expected() else name for name in recorded}
    assert first_runs == paths.expected()


def test_the_long_lived_are_recorded_across_their_renewals() -> None:
    newest = histories.releases()[-1]
    for name, renewals in ((paths.CONTINUED, 2), (paths.FEED, 1)):
        runs = [name, *(f"{name}-{n + 2}" for n in range(renewals))]
        starts = [
            histories.events(newest, run)["events"][0]["workflowExecutionStartedEventAttributes"]
            for run in runs
        ]
        assert [("continuedExecutionRunId" in start) for start in starts] == [False] + [True] * renewals


@pytest.mark.parametrize("release", histories.releases())
def test_the_commands_are_those_that_were_released(release: str) -> None:
    released = json.loads((histories.FOLDER / release / histories.FINGERPRINTS).read_text(encoding="utf-8"))
    found = {
        name: histories.fingerprint(histories.events(release, name)) for name in histories.names(release)
    }
    assert found == released


@workflow.defn(name=ORDER_WORKFLOW)
class SubmitsBeforeItReads:
    """What a careless change would be: the same activities in another order."""

    @workflow.run
    async def run(self, start: OrderStart) -> OrderResult:
        await workflow.execute_activity("submit_order", task_queue="erp", start_to_close_timeout=timedelta(1))
        raise AssertionError("the replay goes no further")


async def test_a_changed_order_of_commands_is_noticed() -> None:
    name = paths.slug("several lines")
    with pytest.raises(NondeterminismError, match="read_order"):
        await replayer(SubmitsBeforeItReads).replay_workflow(histories.load(histories.releases()[-1], name))


def test_histories_tell_nothing_of_the_machine_that_recorded_them() -> None:
    for release, name in RUNS:
        text = json.dumps(histories.events(release, name))
        identities = set(re.findall(r'"identity": "([^"]*)"', text))
        assert identities <= {histories.RECORDER}, name
        assert not re.search(r'"stackTrace"|"binaryChecksum"|/home/|/root/|site-packages', text), name


def test_histories_stay_small() -> None:
    assert sum(p.stat().st_size for p in histories.FOLDER.rglob("*") if p.is_file()) < TOTAL_BYTES

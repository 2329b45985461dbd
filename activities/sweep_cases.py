"""What a sweep cannot explain, and a channel's silence, become cases; they are closed by themselves once over."""

from sqlmodel import Session

from domain.cases import CaseReport
from domain.certificate import Tally
from domain.completeness import Standing
from domain.order import OrderKey
from store.cases import release_order, report_case, settle_case
from store.rhythms import ChannelSilence


def report_findings(session: Session, tally: Tally, before: Tally | None) -> None:
    """Open or join the case of each unexplained order of a flow; those that the sweep ``before`` named leave theirs.

    All that is unexplained is looked at again by each sweep, so what is not named any more is mended.
    """
    step = f"sweep:{tally.flow}"
    named = _unexplained(tally)
    for key in (_unexplained(before) if before is not None else {}).keys() - named.keys():
        release_order(session, key, step=step)
    for report in named.values():
        report_case(session, report, step=step)


def report_silence(session: Session, silence: ChannelSilence) -> None:
    """Open the case of a silent channel, or close it: a webhook came."""
    cause = f"silence:{silence.channel}"
    if silence.alarm_since is None:
        settle_case(session, cause, "A webhook came")
    else:
        report_case(session, CaseReport(cause=cause, reason=f"{silence.sentence}."))


def _unexplained(tally: Tally) -> dict[OrderKey, CaseReport]:
    return {
        finding.key: CaseReport(
            cause=finding.cause, reason=f"Order {finding.number}: {finding.sentence}.", key=finding.key
        )
        for finding in tally.findings
        if finding.standing is Standing.UNEXPLAINED
    }

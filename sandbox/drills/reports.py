"""Reports of drills as files: Markdown for people, JSON for programs."""

import json
from collections.abc import Sequence
from pathlib import Path

from sandbox.drills.drill import Report


def write_reports(directory: Path, reports: Sequence[Report]) -> Path:
    """Write both files of one run; returns the Markdown's path."""
    directory.mkdir(parents=True, exist_ok=True)
    stamp = min(report.began for report in reports).strftime("%Y%m%dT%H%M%SZ")
    name = reports[0].name.replace(" ", "-") if len(reports) == 1 else "all"
    markdown = directory / f"{stamp}-{name}.md"
    markdown.write_text(as_markdown(reports), encoding="utf-8")
    content = {"held": all(report.held for report in reports), "drills": [_plain(each) for each in reports]}
    markdown.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return markdown


def as_markdown(reports: Sequence[Report]) -> str:
    """What somebody reads who was not there."""
    lines = [f"# Drills: {verdict(reports)}", ""]
    for report in reports:
        lines += [f"## {report.name}: {'held' if report.held else 'FAILED'}", ""]
        lines += [f"What goes wrong: {report.summary}.", ""]
        lines += [
            f"Began {report.began:%Y-%m-%d %H:%M:%S} UTC, took {report.seconds:.0f} s, ERP: {report.ground}.",
            "",
        ]
        lines += [f"- {words}" for words in report.did]
        lines += ["", "| What must hold | | What was seen |", "|---|---|---|"]
        lines += [
            f"| {_cell(check.claim)} | {'held' if check.held else '**FAILED**'} | {_cell(check.seen)} |"
            for check in report.checks
        ]
        if report.numbers:
            lines += ["", "| Number | |", "|---|---:|"]
            lines += [f"| {_cell(name)} | {value} |" for name, value in report.numbers.items()]
        lines.append("")
    return "\n".join(lines)


def verdict(reports: Sequence[Report]) -> str:
    """The last line of every run."""
    return f"{sum(report.held for report in reports)} of {len(reports)} held"


def _plain(report: Report) -> dict[str, object]:
    return {**report.model_dump(mode="json"), "held": report.held}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

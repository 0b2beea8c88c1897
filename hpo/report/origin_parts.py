"""What a report says of how a study was made: its file, its edits, how to repeat it."""

from __future__ import annotations

import json
import platform
import shlex
from importlib import metadata
from itertools import pairwise

from hpo.report.elements import named_table, subheading, verbatim
from hpo.report.look import written
from hpo.report.page import Part, paragraphs, table
from hpo.report.study_facts import StudyFacts
from hpo.spec.changes import differences
from hpo.spec.words import exactly

MAX_EDITS = 50


def file_part(facts: StudyFacts) -> Part:
    """Return the study file as it was written, and how it was edited."""
    study = facts.study
    if study.text.strip():
        body = verbatim(study.text.strip("\n"), "The study file")
    else:
        whole = json.dumps(dict(study.document), indent=2, ensure_ascii=False)
        body = paragraphs(
            ["The study was made in Python, without a file. As a document it is:"]
        ) + verbatim(whole, "The study as a document")
    return Part("The study file", body + _edits(facts))


def _edits(facts: StudyFacts) -> str:
    rows = []
    for (_, old), (number, new) in pairwise(facts.edits):
        for path, was, now in differences(old, new):
            rows.append([f"trial {number}", path, _side(was), _side(now)])
    rows = [[written(cell, 300) for cell in row] for row in rows]
    if not rows:
        return paragraphs(["It was not edited while the study ran."])
    hidden = len(rows) - MAX_EDITS
    more = [f"{hidden} more changes are not listed."] if hidden > 0 else []
    return (
        subheading("Edits")
        + paragraphs(["The text above is that of the last version."])
        + table(["from", "key", "was", "is"], rows[:MAX_EDITS])
        + paragraphs(more)
    )


def _side(value: object) -> str:
    return "not set" if value is None else exactly(value)


def _budget(facts: StudyFacts) -> str:
    """Return the option for a number of trials, which the file may not say."""
    search = facts.study.document.get("search") or {}
    trials = search.get("trials")
    return f" --trials {trials}" if isinstance(trials, int) else ""


def repeat_part(facts: StudyFacts) -> Part:
    """Return the commands that repeat the study, and all that its results hang on."""
    study = facts.study
    name, file = shlex.quote(study.name), shlex.quote(f"{study.name}.yaml")
    commands = []
    if study.text.strip():
        commands += [
            "# with the study file above saved beside its data:",
            f"hpo run {file}{_budget(facts)}",
        ]
    if facts.result is not None:
        commands += [
            "# the choice, and the model:",
            f"hpo best {name}",
            f"hpo export {name} --to {shlex.quote(study.name + '-model')}",
        ]
    commands += ["# this page:", f"hpo report {name}"]
    engines = dict.fromkeys(
        fold.engine for trial in facts.trials for fold in trial.folds if fold.engine
    )
    rows = [
        ["seed", str(study.seed)],
        ["data fingerprint", study.fingerprint or "none"],
        ["trained by", "; ".join(engines) or "unknown"],
        ["engine", f"{study.engine} {study.backend}".strip()],
        ["hpo, for this page", metadata.version("hpo")],
        ["Python, for this page", platform.python_version()],
        ["folder of the study file", study.folder or "none"],
        ["created", f"{study.created_at:%Y-%m-%d %H:%M:%S} UTC"],
    ]
    if study.finished_at is not None:
        rows.append(["ended", f"{study.finished_at:%Y-%m-%d %H:%M:%S} UTC"])
    rows = [[name, written(value, 500)] for name, value in rows]
    return Part(
        "How to repeat it",
        verbatim("\n".join(commands), "Commands")
        + named_table(["what", "value"], rows)
        + paragraphs(
            [
                "The same file, data, seed and versions give the same trials, whatever "
                "the number of workers."
            ]
        ),
    )

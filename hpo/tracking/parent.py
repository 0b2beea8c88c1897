"""The run of the study itself: how far it is, what is best, its file and figures."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hpo.analysis.choosing import chosen_by
from hpo.records import StudyRecord, Trial
from hpo.report.tables import best_row, counted, csv_cell, trial_rows
from hpo.store import SEARCH, Mirror, Store, TrialOutline
from hpo.tracking.client import ArtifactError, Client
from hpo.tracking.content import Point, best_points, study_content, tag_texts
from hpo.tracking.names import without_secrets

RENEW_SECONDS = 5.0
ARTIFACT_SECONDS = 60.0
MAX_DIGEST = 36
ENDED = ("complete", "failed", "cancelled")
MAX_SHOWN = 30
"""Hyperparameters in the description."""


class Parent:
    """Keeps a study's own run up to date; what it was told is in the mirror.

    Args:
        store: Holds the study.
        client: MLflow.
        mirror: Knows the run.

    Attributes:
        refused: Why its artifacts cannot be written; empty if they can.
    """

    def __init__(self, store: Store, client: Client, mirror: Mirror) -> None:
        self._store, self._client, self._mirror = store, client, mirror
        self._renew_at = 0.0
        # Not at once: there is little to see before a minute has passed.
        self._artifacts_at = time.monotonic() + ARTIFACT_SECONDS
        self.refused = ""

    @property
    def run_id(self) -> str:
        assert self._mirror.run_id is not None
        return self._mirror.run_id

    def send(
        self,
        study: StudyRecord,
        outline: Sequence[TrialOutline],
        *,
        state: str,
        everything: bool,
    ) -> None:
        """Send what has changed, if it is time for that."""
        search = [trial for trial in outline if trial.kind == SEARCH]
        told = self._mirror.told
        now = time.monotonic()
        if everything or now >= self._renew_at or told.get("state") != state:
            told = self._send_facts(study, search, told, state)
            self._renew_at = now + RENEW_SECONDS
        if everything or now >= self._artifacts_at:
            told = self._send_artifacts(study, search, told, state)
            self._artifacts_at = time.monotonic() + ARTIFACT_SECONDS
        if told != self._mirror.told:
            self._mirror.note(told=told)

    def _send_facts(
        self,
        study: StudyRecord,
        search: Sequence[TrialOutline],
        told: Mapping[str, Any],
        state: str,
    ) -> dict[str, Any]:
        """Send the best so far after each trial, the counts and the best params."""
        content = study_content(study, state=state)
        points, best = self._best_points(study.name, search, told)
        results = self._result_tags(study, search, best)
        tags = {**content.tags, **tag_texts(results)}
        digest = _digest([tags, content.status, content.end])
        if digest != told.get("facts") or points:
            params = None if "facts" in told else content.params
            self._client.log(self.run_id, points=points, params=params, tags=tags)
        if (content.status, content.end) != tuple(told.get("status", ())):
            self._client.finish(self.run_id, content.status, content.end)
        if "dataset" not in told:
            self._send_dataset(study)
        return {
            **told,
            **best,
            "state": state,
            "facts": digest,
            "status": [content.status, content.end],
            "dataset": True,
        }

    def _best_points(
        self, name: str, search: Sequence[TrialOutline], told: Mapping[str, Any]
    ) -> tuple[list[Point], dict[str, Any]]:
        """Return the points that are new, and what is told with them.

        Only trials that all earlier ones are finished before count: so the best after
        each trial is the same whichever of them finished first.
        """
        first = told.get("next", 0)
        numbers = []
        for trial in search:
            if trial.number < first:
                continue
            if trial.state == "running" or trial.beyond_stop:
                break
            numbers.append(trial.number)
        new: list[Trial] = self._store.trials(name, numbers=numbers) if numbers else []
        points, better = best_points(new, told.get("best"))
        after = {
            "next": numbers[-1] + 1 if numbers else first,
            "best": told.get("best") if better is None else better.score,
            "best_trial": told.get("best_trial") if better is None else better.number,
        }
        return points, after

    def _result_tags(
        self,
        study: StudyRecord,
        search: Sequence[TrialOutline],
        best: Mapping[str, Any],
    ) -> dict[str, str]:
        finished = [t for t in search if t.state != "running" and not t.beyond_stop]
        n_failed = sum(trial.state == "failed" for trial in finished)
        tags = {"hpo.n_trials": str(len(finished)), "hpo.n_failed": str(n_failed)}
        if best["best_trial"] is None:
            return tags
        (trial,) = self._store.trials(study.name, numbers=[best["best_trial"]])
        params = json.dumps(dict(trial.params), ensure_ascii=False)
        return tags | {
            "hpo.best_trial": str(trial.number),
            "hpo.best_score": repr(trial.score),
            "hpo.best_params": params,
            "mlflow.note.content": description(study, trial, len(finished), n_failed),
        }

    def _send_dataset(self, study: StudyRecord) -> None:
        source = study.document["data"]["source"]
        name = source if isinstance(source, str) else next(iter(source))
        name = without_secrets(name)
        text = without_secrets(json.dumps({"source": source, "sha": study.fingerprint}))
        self._client.log_dataset(
            self.run_id, name[-500:], study.fingerprint[:MAX_DIGEST], text
        )

    def _send_artifacts(
        self,
        study: StudyRecord,
        search: Sequence[TrialOutline],
        told: Mapping[str, Any],
        state: str,
    ) -> dict[str, Any]:
        """Replace the artifacts if anything in them has changed."""
        there = [(t.number, t.state, t.beyond_stop) for t in search]
        facts: list[object] = [there, state, study.text]
        if state in ENDED:
            # The report tells of them, and they come after the end.
            facts.append(len(self._store.test_looks(study.name)))
        digest = _digest(facts)
        if digest == told.get("artifacts"):
            return dict(told)
        try:
            self._client.log_texts(self.run_id, self._texts(study, state))
        except ArtifactError as error:
            self.refused = str(error)
            return dict(told)
        except (LookupError, TypeError, ValueError) as error:
            # A page that cannot be drawn must not keep scores from arriving.
            self.refused = f"the figures cannot be drawn ({error!r})"
            return dict(told)
        self.refused = ""
        return {**told, "artifacts": digest}

    def _texts(self, study: StudyRecord, state: str) -> dict[str, str]:
        """Return the artifacts by file name."""
        # Imported here: it brings the plots, which take a second to import.
        from hpo.report.progress_page import progress_page
        from hpo.report.results import result_row
        from hpo.report.study_facts import read_facts
        from hpo.report.study_report import report_page

        trials = self._store.trials(study.name)
        texts = {
            **study_content(study, state=state).texts,
            "trials.csv": _csv(trial_rows(counted(trials), study.n_folds)),
            "figures.html": progress_page(
                replace(study, reason=without_secrets(study.reason)),
                [_without_secrets(trial) for trial in trials],
            ),
        }
        best = best_row(trials, self._store.origin(study.name), chosen_by(study))
        if state in ENDED:
            # All that came of it: corrected scores take seconds for large data.
            facts = read_facts(self._store, study.name).with_texts(without_secrets)
            best = result_row(facts.result, facts.nested) if facts.result else best
            texts["report.html"] = report_page(facts)
        if best is not None:
            whole = json.dumps(best, indent=2, ensure_ascii=False)
            texts["best.json"] = without_secrets(whole)
        return texts


def _without_secrets(trial: Trial) -> Trial:
    params = {
        name: without_secrets(value) if isinstance(value, str) else value
        for name, value in trial.params.items()
    }
    return replace(trial, params=params)


def description(study: StudyRecord, best: Trial, n_trials: int, n_failed: int) -> str:
    """Return what MLflow shows at the top of the study's page, as Markdown."""
    failed = f", {n_failed} of them failed" if n_failed else ""
    lines = [
        f"**{_cell(study.metric)} {best.score:.4f}** (mean of {study.n_folds} folds, "
        f"standard deviation {best.std or 0.0:.4f}) is the best of {n_trials} "
        f"trials{failed}: trial {best.number} of the {study.strategy} search.",
        "",
        "| hyperparameter | best |",
        "| --- | --- |",
    ]
    shown = list(best.params.items())[:MAX_SHOWN]
    lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in shown]
    if len(best.params) > len(shown):
        lines.append(f"| {len(best.params) - len(shown)} more | in best.json |")
    return "\n".join(lines)


def _cell(value: object) -> str:
    """Return a value as Markdown that is only text."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    for sign in "\\`*_{}[]<>()#+!|&~":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text[:100].split())


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    written = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    names = [name for name in names if name != "params"]
    table = csv.DictWriter(written, names, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows({name: csv_cell(row.get(name)) for name in names} for row in rows)
    return without_secrets(written.getvalue())


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

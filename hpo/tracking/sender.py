"""Bring what MLflow has of a study up to what the store has.

What is missing is found by comparing the store with the marks of what was sent, so
nothing needs to be written for it while the study runs, and a study of any age can be
sent to any MLflow. After an error, and after a crash, the runs that MLflow has are
looked up by their tags before anything is made, and doubles are removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hpo.crash_points import crash_point
from hpo.errors import TrackingError
from hpo.records import StudyRecord, Trial, TrialKind
from hpo.store import MANUAL, SEARCH, Mark, Mirror, Store, TrialOutline
from hpo.tracking.client import ArtifactError, Client, RefusedError
from hpo.tracking.content import (
    CREATED,
    PARENT,
    RunContent,
    identity,
    study_content,
    tag_texts,
    trial_content,
    trial_told,
)
from hpo.tracking.names import experiment_name
from hpo.tracking.parent import Parent

CHUNK = 20
"""Trials that are sent between two notes in the store."""
SERVER_THREADS = 4
RENEW_SECONDS = 5.0
"""How often trials that are not finished are sent, with the folds that are in."""

Key = tuple[TrialKind, int]
Pair = tuple[TrialKind, Trial]


@dataclass(frozen=True)
class Left:
    """What is still to be sent.

    Args:
        n_trials: Trials that MLflow does not have as the store has them.
        refused: Why it does not take some of them; empty if it takes them all.
    """

    n_trials: int
    refused: str = ""


class Sender:
    """Sends one study to one MLflow; one thread uses it.

    Args:
        store: Holds the study.
        name: Of the study.
        client: MLflow.
        mirror: What it has been told; this sender is its newest taker.
        thorough: Whether to look up every run at first, also where nothing is in
            doubt: finds those that were deleted in MLflow.
        observe: Called now and then with how many trials are left to send.

    Attributes:
        experiment_id: Of the study's experiment, once it has been looked for.
        n_created: Runs of trials that this sender has made.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        client: Client,
        mirror: Mirror,
        *,
        thorough: bool = False,
        observe: Callable[[int], None] = lambda n_left: None,
    ) -> None:
        self._store, self._name, self._client = store, name, client
        self._mirror, self._observe = mirror, observe
        self._look = thorough or mirror.doubtful
        # A former taker may be sending still.
        self._shaken = mirror.run_id is not None
        self._refused: dict[Key, str] = {}
        self._renew_at = 0.0
        self._parent: Parent | None = None
        self.experiment_id = ""
        self.n_created = 0

    def send(self, *, state: str, everything: bool = False) -> Left:
        """Send what is missing.

        Args:
            state: What is happening to the study, from who knows.
            everything: Also what is otherwise renewed only now and then: trials that
                are not finished, and the artifacts of the study's own run.

        Raises:
            TrackingError: MLflow does not answer; call again later.
            StoreError: The store does not, or another process sends this study now.
        """
        try:
            return self._send(state, everything=everything)
        except TrackingError:
            # Who knows what reached MLflow: look before making anything.
            self._parent, self._look, self._shaken = None, True, True
            raise

    def _send(self, state: str, *, everything: bool) -> Left:
        study = self._store.study(self._name)
        if everything:
            # Only an outage may have kept them back.
            self._refused.clear()
        parent = self._parent or self._begin(study, state)
        outline = self._store.outline(self._name)
        if self._says_too_much(outline):
            self._delete_children(parent.run_id)
            self._client.delete_run(parent.run_id)
            self._mirror.forget()
            parent = self._begin(study, state)
        self._drop(outline)
        live = state == "running"
        self._send_trials(study, self._due(outline, live=live, all_=everything), live)
        parent.send(study, outline, state=state, everything=everything)
        if everything and self._shaken:
            # A call whose answer was lost may have made a run after all.
            self._adopt(study, parent.run_id)
            self._shaken = False
        left = self._due(outline, live=live, all_=True)
        if everything and not left:
            self._mirror.note(doubtful=False)
        refused = [*self._refused.values(), parent.refused]
        return Left(len(left) + len(self._refused), next(filter(None, refused), ""))

    def n_behind(self, *, live: bool) -> int:
        """Count the trials that MLflow does not have as they are, without asking it.

        Raises:
            StoreError: The store cannot be read.
        """
        return len(self._due(self._store.outline(self._name), live=live, all_=True))

    # What MLflow has

    def _begin(self, study: StudyRecord, state: str) -> Parent:
        """Find the experiment and the study's own run, or make them."""
        client, mirror = self._client, self._mirror
        self.experiment_id = client.experiment(experiment_name(study.name))
        if mirror.run_id and not client.is_active(mirror.run_id, self.experiment_id):
            # Somebody has deleted it, or this is a new MLflow at the old address.
            self._delete_children(mirror.run_id)
            mirror.forget()
        mirror.note(doubtful=True)
        if mirror.run_id is None:
            self._look = True
            run_id = min(self._find_parents(study), default=None)
            run_id = run_id or self._make(study, state)
            with crash_point("tracking.note"):
                mirror.note(run_id=run_id)
        assert mirror.run_id is not None
        if self._look:
            self._adopt(study, mirror.run_id)
            self._look = False
        self._parent = Parent(self._store, client, mirror)
        return self._parent

    def _make(self, study: StudyRecord, state: str) -> str:
        content = study_content(study, state=state)
        return self._client.create_run(
            self.experiment_id, content.name, content.start, content.tags
        )

    def _says_too_much(self, outline: Sequence[TrialOutline]) -> bool:
        """Tell whether the study's run has the best of trials that count no more.

        So it is after an edit of the study file that ends the study earlier. MLflow
        takes no value back: only a new run is right.
        """
        first_unsaid = self._mirror.told.get("next", 0)
        return any(
            trial.kind == SEARCH and trial.beyond_stop and trial.number < first_unsaid
            for trial in outline
        )

    def _find_parents(self, study: StudyRecord) -> list[str]:
        wanted = tag_texts(identity(study))
        created = {CREATED: wanted[CREATED]}
        found = self._client.find_runs(self.experiment_id, created)
        return [
            run
            for run, tags in found.items()
            if PARENT not in tags and wanted.items() <= tags.items()
        ]

    def _delete_children(self, parent: str) -> None:
        for run_id in self._client.find_runs(self.experiment_id, {PARENT: parent}):
            self._client.delete_run(run_id)

    def _adopt(self, study: StudyRecord, parent: str) -> None:
        """Take over the runs that are there, and remove doubles."""
        for double in self._find_parents(study):
            if double != parent:
                self._delete_children(double)
                self._client.delete_run(double)
        found = self._client.find_runs(self.experiment_id, {PARENT: parent})
        by_key: dict[Key, list[str]] = {}
        for run_id, tags in found.items():
            kind: TrialKind = MANUAL if tags.get("hpo.kind") == MANUAL else SEARCH
            number = tags.get("hpo.trial", "")
            if number.isdecimal():
                by_key.setdefault((kind, int(number)), []).append(run_id)
        marks = self._mirror.marks
        adopted: dict[Key, Mark] = {}
        for trial, runs in by_key.items():
            known = marks[trial].run_id if trial in marks else None
            kept = known if known in runs else min(runs)
            for double in runs:
                if double != kept:
                    self._client.delete_run(double)
            if kept != known:
                adopted[trial] = Mark(kept, "")
        self._note(marks=adopted, forgotten=[k for k in marks if k not in by_key])

    def _drop(self, outline: Sequence[TrialOutline]) -> None:
        """Remove the runs of trials that the study has dropped since."""
        there = {(o.kind, o.number) for o in outline}
        gone = [trial for trial in self._mirror.marks if trial not in there]
        for trial in gone:
            self._client.delete_run(self._mirror.marks[trial].run_id)
        if gone:
            self._note(forgotten=gone)

    # Trials

    def _due(
        self, outline: Sequence[TrialOutline], *, live: bool, all_: bool
    ) -> list[Key]:
        """Return the trials that MLflow does not have as they are now."""
        now = time.monotonic()
        renew = all_ or now >= self._renew_at
        if renew and not all_:
            self._renew_at = now + RENEW_SECONDS
        due = []
        for trial in outline:
            key = (trial.kind, trial.number)
            mark = self._mirror.marks.get(key)
            behind = mark is None or mark.told != _told(trial, live=live)
            # A short trial is finished by then, and takes three calls instead of five.
            hurry = trial.state != "running" or renew
            if behind and hurry and key not in self._refused:
                due.append(key)
        return due

    def _send_trials(self, study: StudyRecord, due: Sequence[Key], live: bool) -> None:
        for first in range(0, len(due), CHUNK):
            self._observe(len(due) - first)
            self._send_chunk(study, due[first : first + CHUNK], live)

    def _send_chunk(self, study: StudyRecord, keys: Sequence[Key], live: bool) -> None:
        marks: dict[Key, Mark] = {}
        work = [
            (kind, trial)
            for kind in dict.fromkeys(kind for kind, _ in keys)
            for trial in self._store.trials(
                self._name, kind=kind, numbers=[n for k, n in keys if k == kind]
            )
        ]

        def send(pair: Pair) -> None:
            kind, trial = pair
            key = (kind, trial.number)
            told = trial_told(
                trial.state, trial.beyond_stop, len(trial.folds), live=live
            )
            content = trial_content(study, kind, trial, live=live)
            mark = self._mirror.marks.get(key)
            is_new = mark is None
            try:
                if mark is None:
                    # Noted whatever comes of the rest: nobody is to make it again.
                    marks[key] = mark = Mark(self._make_child(content), "")
                self._send_trial(mark, content, is_new=is_new)
                marks[key] = Mark(mark.run_id, told)
            except (RefusedError, ArtifactError) as error:
                self._refused[key] = f"trial {trial.number}: {error}"

        try:
            self._each(send, work)
        finally:
            self._note(marks=marks)

    def _make_child(self, content: RunContent) -> str:
        self.n_created += 1
        return self._client.create_run(
            self.experiment_id,
            content.name,
            content.start,
            content.tags,
            parent=self._mirror.run_id,
        )

    def _send_trial(self, mark: Mark, content: RunContent, *, is_new: bool) -> None:
        client, run_id, refused = self._client, mark.run_id, None
        # Its tags were given to a new run.
        tags = None if is_new else content.tags
        try:
            client.log(run_id, points=content.points, params=content.params, tags=tags)
        except RefusedError as error:
            # Even so its run is not to be left running.
            refused = error
        runs_already = is_new or mark.told.startswith("running")
        if not (content.status == "RUNNING" and runs_already):
            client.finish(run_id, content.status, content.end)
        client.log_texts(run_id, content.texts)
        if refused is not None:
            raise refused

    def _each(self, send: Callable[[Pair], None], work: Sequence[Pair]) -> None:
        """Send to a database one by one, to a server several at a time."""
        if not self._client.is_server:
            for pair in work:
                send(pair)
            return
        pool = ThreadPoolExecutor(SERVER_THREADS)
        try:
            for future in [pool.submit(send, pair) for pair in work]:
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _note(
        self,
        *,
        marks: Mapping[Key, Mark] | None = None,
        forgotten: Collection[Key] = (),
    ) -> None:
        if marks or forgotten:
            with crash_point("tracking.note"):
                self._mirror.note(marks=marks or {}, forgotten=forgotten)


def _told(outline: TrialOutline, *, live: bool) -> str:
    """Return what a mark says once this much of a trial is sent."""
    return trial_told(outline.state, outline.beyond_stop, outline.n_folds, live=live)

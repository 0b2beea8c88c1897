"""A study as Python sees it: its trials and results, from a store or from memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.analysis.choosing import chosen, chosen_by, defaults_trial
from hpo.analysis.result import StudyResult, study_result
from hpo.analysis.stored import stored_result
from hpo.errors import StoreError, StudyError
from hpo.evaluation.objective import NEGATIVE
from hpo.records import FoldResult, StudyRecord, Trial
from hpo.report.tables import counted, trial_rows
from hpo.space import Space
from hpo.spec.hyperparameters import read_space
from hpo.store import MANUAL, SEARCH, Store, masked
from hpo.user_code import OBJECTIVE, kind_of

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from hpo.export import ExportedModel

DEFAULT_STORE = "sqlite:///hpo.db"
Read = Callable[[], tuple[StudyRecord, Sequence[Trial]]]


class Study:
    """A study and its trials, as they are when they are asked for.

    Made by `hpo.optimize`, `hpo.run`, `hpo.create_study` and `hpo.load_study`.

    Args:
        read: Returns the study and the trials of its search, by number.
        store: Where it is; None if it lives in this process alone.
    """

    def __init__(self, read: Read, store: Store | None = None) -> None:
        self._read, self._store = read, store
        self._request_stop: Callable[[], None] = lambda: None

    def stop(self) -> None:
        """End a running search after its running trials; for a callback to call."""
        self._request_stop()

    def stops_by(self, request_stop: Callable[[], None]) -> None:
        """Let `stop` call this, of whatever runs the study."""
        self._request_stop = request_stop

    def __repr__(self) -> str:
        study, trials = self._read()
        n_finished = sum(trial.finished for trial in trials)
        best = self._best(trials)
        score = "" if best is None else f", best {self.metric} {best.score:.6g}"
        return f"<Study {study.name!r}: {study.state}, {n_finished} trials{score}>"

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def record(self) -> StudyRecord:
        """What is known about the study besides its trials."""
        return self._read()[0]

    @property
    def metric(self) -> str:
        """Name of the score, as the objective or scikit-learn calls it."""
        metric = self.record.metric
        return metric.removeprefix(NEGATIVE) if self._minimizes else metric

    @property
    def direction(self) -> str:
        """``minimize`` for an objective whose values should be small."""
        return "minimize" if self._minimizes else "maximize"

    @property
    def _minimizes(self) -> bool:
        record = self.record
        evaluation = record.document.get("evaluation") or {}
        objective = kind_of(record.family) == OBJECTIVE
        return objective and evaluation.get("direction") == "minimize"

    @property
    def space(self) -> Space:
        """What is searched."""
        space, mistakes = read_space(self.record.document.get("space"))
        if space is None:
            what = mistakes[0].what if mistakes else "it is missing"
            raise StudyError(f"study {self.name!r}: its space cannot be read: {what}")
        return space

    @property
    def trials(self) -> list[Trial]:
        """All trials of the search by number, those that are not finished too.

        Scores have the sign that the objective gave them.
        """
        return [self.in_own_units(trial) for trial in self._read()[1]]

    @property
    def manual_trials(self) -> list[Trial]:
        """Trials of `hpo try`, which are no part of the search."""
        if self._store is None:
            return []
        stored = self._store.trials(self.name, kind=MANUAL)
        return [self.in_own_units(trial) for trial in stored]

    def in_own_units(self, trial: Trial) -> Trial:
        """Return a trial of the store's with scores as the objective gave them."""
        if not self._minimizes:
            return trial
        return _with_sign_changed(trial, self.record.metric)

    def _best(self, trials: Sequence[Trial]) -> Trial | None:
        best = chosen(trials, chosen_by(self.record))
        return None if best is None else self.in_own_units(best)

    @property
    def best_trial(self) -> Trial:
        """The complete trial to take: by mean, the earliest of equals.

        With ``select: one-se`` it is the simplest within a standard error of that one.

        Raises:
            StudyError: No trial is complete.
        """
        study, trials = self._read()
        best = self._best(trials)
        if best is None:
            raise StudyError(
                f"study {study.name!r} has no complete trial{_why(trials)}"
            )
        return best

    @property
    def best_params(self) -> dict[str, Any]:
        """Params of the best trial; see `best_trial`."""
        return dict(self.best_trial.params)

    @property
    def best_score(self) -> float:
        """Score of the best trial; see `best_trial`."""
        score = self.best_trial.score
        assert score is not None
        return score

    def result(self) -> StudyResult:
        """Return how good the best trial really is, and why.

        Scores are those of the store, in which greater is better: those of a minimised
        objective have their sign changed.

        Raises:
            StudyError: No trial is complete.
        """
        if self._store is not None:
            result = stored_result(self._store, self.name)
        else:
            study, trials = self._read()
            result = study_result(
                study,
                trials,
                rows=None,
                predicted=lambda numbers: [t for t in trials if t.number in numbers],
                defaults=defaults_trial(study.document, trials),
            )
        if result is None:
            raise StudyError(f"study {self.name!r} has no complete trial")
        return result

    def score_test(
        self, *, again: bool = False, allow_modules: Sequence[str] = ()
    ) -> float:
        """Return what the best trial scores on the held-out test part.

        It is trained once more on all training rows, the first time; the score is
        stored with its time, and returned from then on.

        Args:
            again: Look although another trial was scored there before, or train this
                one once more; every look is counted.
            allow_modules: Installed packages whose code the study may name.

        Raises:
            StudyError: There is no test part, no complete trial, or another trial was
                scored already; or the data are not those of a study file.
            TrialError: Training failed.
        """
        from hpo.study.stored import stored_study as prepare_stored
        from hpo.study.test_part import known_look, score_test

        store = self._stored("scored on its test part")
        trial = chosen(store.trials(self.name), chosen_by(self.record))
        if trial is None:
            raise StudyError(f"study {self.name!r} has no complete trial")
        known = known_look(store, self.name, SEARCH, trial, again=again)
        if known is not None:
            return known.score
        prepared = prepare_stored(store, self.name, allowed_modules=allow_modules)
        return score_test(prepared, store, trial, again=again).score

    def report(self, file: str | Path | None = None) -> Path:
        """Write one HTML file about the study; it works offline.

        Args:
            file: Where; default the study's name with ``.html`` in this folder.
        """
        from hpo.report.study_report import report_file

        return report_file(self._stored("reported on"), self.name, file)

    def export(
        self,
        folder: str | Path,
        trial: int | None = None,
        *,
        allow_modules: Sequence[str] = (),
    ) -> ExportedModel:
        """Train a trial on all training rows and write the model to a folder.

        Args:
            folder: New, or empty; `hpo.load_model` loads it.
            trial: Number of a complete trial; None for the best one.
            allow_modules: Modules whose code the study or the model is made of.

        Returns:
            The model, loaded.

        Raises:
            HpoError: The folder is taken, the data have changed, or training failed.
        """
        from hpo.api.exported import export

        store = self._stored("exported")
        return export(store, self.name, folder, trial, allow_modules)

    def _stored(self, what: str) -> Store:
        if self._store is None:
            raise StudyError(
                f"study {self.name!r} is in memory and cannot be {what}; give it a "
                f"store: store='sqlite:///hpo.db'"
            )
        return self._store

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each trial that counts, named as in ``cv_results_``.

        Columns ``number``, ``state``, ``params``, ``param_<name>``,
        ``mean_test_score``, ``std_test_score``, ``rank_test_score`` (1 is best),
        ``split<i>_test_score``, ``mean_train_score``, ``mean_fit_time`` (seconds) and
        ``failure``.
        """
        import pandas as pd

        study, trials = self._read()
        shown = [self.in_own_units(trial) for trial in counted(trials)]
        frame = pd.DataFrame(trial_rows(shown, study.n_folds))
        if frame.empty:
            return frame
        scores = pd.to_numeric(frame["mean_test_score"])
        ranks = scores.rank(method="min", ascending=self._minimizes)
        after = list(frame.columns).index("std_test_score") + 1
        frame.insert(after, "rank_test_score", ranks.astype("Int64"))
        return frame

    def to_optuna(self) -> optuna.Study:
        """Return an in-memory Optuna study with these trials, for Optuna's plots."""
        from hpo.search.optuna_study import to_optuna

        return to_optuna(self.space, self.trials, maximize=not self._minimizes)

    def importances(self) -> dict[str, float]:
        """Return the share of each hyperparameter in what made the best trials good.

        Shares add up to 1; empty while there are too few complete trials.
        """
        from hpo.search.optuna_study import importances

        return importances(self.space, self.trials, maximize=not self._minimizes)


def load_study(name: str, store: str | Path | None = None) -> Study:
    """Return a stored study, to be looked at.

    Args:
        name: Of the study.
        store: Address of its store; default ``HPO_STORE`` or ``sqlite:///hpo.db``.

    Raises:
        StudyNotFoundError: No study has this name.
        StoreError: The store cannot be opened.
    """
    opened = open_store(store, must_exist=True)
    opened.study(name)
    return stored_study(opened, name)


def stored_study(store: Store, name: str) -> Study:
    """Return a view of a study in a store."""
    return Study(lambda: (store.study(name), store.trials(name)), store)


def store_url(given: str | Path | None) -> str:
    """Return the address that is meant: the given one, the variable's, or the usual.

    A path stands for the SQLite file there.
    """
    if given is None:
        return os.environ.get("HPO_STORE") or DEFAULT_STORE
    text = str(given)
    return text if "://" in text or not text.endswith(".db") else f"sqlite:///{text}"


def open_store(given: str | Path | None, *, must_exist: bool = False) -> Store:
    """Open the store at an address, as `store_url` understands it."""
    url = store_url(given)
    if must_exist and not Store.exists(url):
        raise StoreError(
            f"store {masked(url)}: there is none here; name that of the study: "
            f"store='sqlite:///path/hpo.db'"
        )
    return Store(url)


def _with_sign_changed(trial: Trial, metric: str) -> Trial:
    def changed(score: float | None) -> float | None:
        return None if score is None else -score

    def other(fold: FoldResult) -> FoldResult:
        train = changed(fold.train_score)
        metrics = {
            n.removeprefix(NEGATIVE) if n == metric else n: -v if n == metric else v
            for n, v in fold.metrics.items()
        }
        score = changed(fold.score)
        return replace(fold, score=score, train_score=train, metrics=metrics)

    folds = tuple(other(fold) for fold in trial.folds)
    return replace(trial, score=changed(trial.score), folds=folds)


def _why(trials: Sequence[Trial]) -> str:
    from hpo.study.verdict import causes

    failed = causes(trials)
    return f" ({failed})" if failed else ""

"""`SearchCV`: a search of this package in the shape of scikit-learn's GridSearchCV.

Training, scoring, refitting and delegation are scikit-learn's own; this module owns
what is tried, in which order, and that it can be kept in a store.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._split import _yields_constant_splits
from sklearn.utils._param_validation import Interval

from hpo.api.search_cv_proposals import Proposals, check_names
from hpo.api.search_cv_rows import Rows
from hpo.api.search_cv_run import SearchRun
from hpo.errors import Problem, SpecError

if TYPE_CHECKING:
    from hpo.api.search_cv_store import StoredSearch


class SearchCV(BaseSearchCV):  # type: ignore[misc]
    """Search the parameters of any scikit-learn estimator by cross-validation.

    An estimator itself: `fit` searches and, with ``refit``, trains the best params on
    all rows; then `predict`, `score` and the like are those of the best estimator.
    Metadata routing, scoring, ``refit``, ``error_score`` and all fitted attributes are
    as in scikit-learn's `GridSearchCV`; given the same grid, folds and seeds so is
    ``cv_results_``, but for times. The same trials are tried for any ``n_jobs``.

    Args:
        estimator: What is trained, a clone for each split.
        space: A `Space`; or by name a list of choices of any kind, a frozen
            distribution of scipy, `Int`, `Float` or `Categorical`, as for
            `RandomizedSearchCV`; or for a grid a list of such mappings.
        strategy: ``grid``, ``random`` or ``bayesian``. A grid is in the order of
            `ParameterGrid` (of a `Space`, in its own). The last one needs one score:
            with several metrics, ``refit`` must name it.
        n_iter: Trials of a random or Bayesian search, fewer if the space holds no more.
            A grid runs whole.
        cv: Folds, as in `GridSearchCV`: 5 by default, stratified for classifiers.
        scoring: As in `GridSearchCV`; greater is better.
        refit: Train the best params on all rows: whether, by which metric, or a
            function of ``cv_results_`` that returns the index of the best.
        n_jobs: Processes of joblib; None trains in this one.
        random_state: Seed of the search, from 0. That of the estimator is its own.
        width: Trials of a round of a Bayesian search, which know the scores of all
            rounds before; also how many are stored together.
        error_score: Score of a split that cannot be fitted, or ``"raise"``. A trial
            whose mean is not finite counts as the worst seen.
        return_train_score: Whether training scores are in ``cv_results_``.
        verbose: As in `GridSearchCV`.
        pre_dispatch: As in `GridSearchCV`.
        store: Address of a database, such as ``sqlite:///hpo.db``, in which every
            finished round is kept: the same `fit` goes on there after a kill.
        name: Of the study in ``store``.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import Ridge
        >>> from hpo.space import Float
        >>> X, y = load_diabetes(return_X_y=True)
        >>> space = {"alpha": Float(0.001, 10, log=True), "solver": ["svd", "lsqr"]}
        >>> search = SearchCV(Ridge(), space, n_iter=12, random_state=1).fit(X, y)
        >>> len(search.cv_results_["params"])
        12
        >>> search.best_params_["alpha"] < 1
        True
        >>> search.predict(X[:2]).shape
        (2,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseSearchCV._parameter_constraints,
        "space": "no_validation",  # `Proposals` says what is wrong with it
        "strategy": [str],
        "n_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "store": [str, None],
        "name": [str, None],
    }

    def __init__(
        self,
        estimator: Any,
        space: Any,
        *,
        strategy: str = "bayesian",
        n_iter: int = 20,
        cv: Any = None,
        scoring: Any = None,
        refit: bool | str | Callable[[Mapping[str, Any]], int] = True,
        n_jobs: int | None = None,
        random_state: int = 0,
        width: int = 4,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        store: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.space = space
        self.strategy = strategy
        self.n_iter = n_iter
        self.random_state = random_state
        self.width = width
        self.store = store
        self.name = name

    def __getstate__(self) -> dict[str, Any]:
        # Workers are sent the search with every split, and need nothing of its state.
        state: dict[str, Any] = super().__getstate__()
        return {key: value for key, value in state.items() if key not in _TRANSIENT}

    def _get_routed_params_for_fit(self, params: dict[str, Any]) -> Any:
        routed = super()._get_routed_params_for_fit(params)
        self._fit_params = params if self.store is not None else {}
        return routed

    def _check_input_parameters(self, X: Any, y: Any, split_params: Any) -> None:
        """Refuse, before anything is trained, what cannot be searched."""
        try:
            self._proposals = Proposals(self.space, self.strategy, self.random_state)
            check_names(self.estimator, self._proposals)
            self._metric()
            self._stored = self._make_stored(X, y, split_params)
        except BaseException:
            self._forget()
            raise
        del self._fit_params

    def _metric(self) -> str:
        """Return the name of the score that counts, as far as it is known before."""
        several = isinstance(self.scoring, list | tuple | dict)
        return self._metric_of(dict.fromkeys(self.scoring) if several else None)

    def _metric_of(self, scores: Mapping[str, Any] | None) -> str:
        """Return the name of the score that counts."""
        if scores is None:
            return self.scoring if isinstance(self.scoring, str) else "score"
        if isinstance(self.refit, str) and self.refit in scores:
            return self.refit
        if self.strategy == "bayesian":
            what = (
                f"a Bayesian search needs one score to go by; got {list(scores)}; name "
                f"it, as in refit={next(iter(scores))!r}"
            )
            raise SpecError([Problem("refit", what)])
        return next(iter(scores))

    def _make_stored(self, X: Any, y: Any, split_params: Any) -> StoredSearch | None:
        """Describe the study that the store keeps, or return None without a store."""
        if (self.store is None) != (self.name is None):
            missing = "name" if self.name is None else "store"
            what = "`store` and `name` belong together; give both or neither"
            raise SpecError([Problem(missing, what)])
        if self.store is None or self.name is None:
            return None
        from hpo.api.search_cv_identity import fingerprint
        from hpo.api.search_cv_store import StoredSearch, search_record

        if not _yields_constant_splits(self._checked_cv_orig):
            what = "makes other folds each time, so a stored search could not go on"
            raise SpecError([Problem("cv", f"{what}; give it a random_state")])
        splits = list(self._checked_cv_orig.split(X, y, **split_params))
        record = search_record(
            self.name,
            self._proposals,
            settings=self._settings(),
            fingerprint=fingerprint(X, y, self._fit_params, splits),
            family=type(self.estimator).__name__,
            strategy=self.strategy,
            metric=self._metric(),
            task="classification" if is_classifier(self.estimator) else "regression",
            n_splits=len(splits),
            seed=self.random_state,
            width=self.width,
            n_trials=None if self.strategy == "grid" else self.n_iter,
        )
        return StoredSearch(self.store, record)

    def _settings(self) -> dict[str, str]:
        """Return what a stored search must have in common with this one, in words."""
        from hpo.api.search_cv_identity import text_of

        settings = {
            "estimator": self.estimator,
            "space": self.space,
            "strategy": self.strategy,
            "cv": self._checked_cv_orig,
            "scoring": self.scoring,
            "metric": self._metric(),
            "random_state": self.random_state,
            "error_score": self.error_score,
            "return_train_score": self.return_train_score,
        }
        if self.strategy == "bayesian":
            settings["width"] = self.width
        return {name: text_of(value) for name, value in settings.items()}

    def _run_search(self, evaluate_candidates: Any, *, callback_ctx: Any) -> None:
        cv = _SplitOnce(self._checked_cv_orig)
        self._rows = Rows(
            self.n_splits_,
            error_score=self.error_score,
            with_train=self.return_train_score,
            metric_of=self._metric_of,
        )
        context = callback_ctx.subcontext(task_name="search", max_subtasks=None)
        context.call_on_fit_task_begin(estimator=self)

        def evaluate(params: list[dict[str, Any]]) -> None:
            round_context = context.subcontext(
                task_name="round",
                max_subtasks=len(params) * self.n_splits_,
                sequential_subtasks=False,
            ).call_on_fit_task_begin(estimator=self)
            try:
                evaluate_candidates(params, cv=cv, callback_ctx=round_context)
            finally:
                round_context.call_on_fit_task_end(estimator=self)

        try:
            with self._stored or nullcontext() as study:
                run = SearchRun(
                    self._proposals,
                    self._rows,
                    n_trials=None if self.strategy == "grid" else self.n_iter,
                    width=self.width,
                    evaluate=evaluate,
                    commit=None if study is None else study.commit,
                )
                run.execute([] if study is None else study.trials)
            # A last round in which nothing could be fitted was not handed on, but
            # scikit-learn holds the very mapping that it was given last.
            if len(self._formatted["params"]) < len(self._rows.trials):
                self._formatted.update(self._format_all())
            for warned in self._warned:
                warnings.warn(warned.message, warned.category, stacklevel=2)
        finally:
            self._forget()
        context.call_on_fit_task_end(estimator=self)

    def _format_results(
        self, candidate_params: Any, n_splits: int, out: Any, more_results: Any = None
    ) -> Any:
        """Put what an earlier process finished among what was trained here."""
        self._rows.take(out)
        self._formatted = self._format_all()
        return self._formatted

    def _format_all(self) -> dict[str, Any]:
        params, outs = self._rows.formatted()
        with warnings.catch_warnings(record=True) as self._warned:
            # Kept for the end: each round would say it of all trials so far.
            warnings.simplefilter("always")
            found: dict[str, Any] = super()._format_results(
                params, self.n_splits_, outs
            )
        return found

    def _forget(self) -> None:
        for attribute in _TRANSIENT:
            self.__dict__.pop(attribute, None)


_TRANSIENT = (
    "_fit_params",
    "_proposals",
    "_stored",
    "_rows",
    "_formatted",
    "_warned",
)
"""What a search holds while it runs, and neither keeps nor sends to workers."""


class _SplitOnce:
    """Splits of an object that may draw others the next time it is asked."""

    def __init__(self, cv: Any) -> None:
        self._cv = cv
        self._splits: list[Any] | None = None

    def split(self, X: Any, y: Any = None, **params: Any) -> Any:
        if self._splits is None:
            self._splits = list(self._cv.split(X, y, **params))
        return self._splits

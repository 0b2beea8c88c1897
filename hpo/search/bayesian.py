"""Bayesian search: Optuna's tree-structured Parzen estimator over an in-memory study.

Optuna's objects stay in this folder. Nothing is stored by Optuna, and no sampler lives
longer than one proposal: the search can be taken up anywhere from the history alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from hpo.records import Params, ParamValue, Trial
from hpo.search.optuna_study import new_study
from hpo.search.random import draw_unvisited
from hpo.search.strategy import Visited
from hpo.seeds import PROPOSE, derived_seed
from hpo.space import (
    Categorical,
    Float,
    Hyperparameter,
    Int,
    Space,
    alike,
    constant,
)

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

N_STARTUP = 10
N_ATTEMPTS = 20


class BayesianStrategy:
    """Model which params do well, and propose what the model thinks most promising.

    Running trials count as bad ones (constant liar), so that trials proposed together
    spread out. A failed trial is told as the worst score that is visible, so that the
    search leaves its region; Optuna alone would ignore it. The first `N_STARTUP` trials
    are random.

    Args:
        space: Where to search.
        seed: The study's seed.
        first: Params of trial 0, the family's defaults; None draws that too.
        maximize: Whether greater scores are better.

    Source:
        J. Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011;
        S. Watanabe, "Tree-Structured Parzen Estimator", arXiv 2304.11127 (2023).
    """

    sees_scores = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        first: Params | None = None,
        maximize: bool = True,
    ) -> None:
        self._space, self._seed, self._first = space, seed, first
        self._codes = {
            name: _Code(hyperparameter)
            for name, hyperparameter in space.hyperparameters.items()
            if not constant(hyperparameter)
        }
        self._visited = Visited(space)
        self._told = _ToldStudy(space, self._codes, maximize)

    def propose(self, number: int, history: Sequence[Trial]) -> Params | None:
        if number == 0 and self._first is not None:
            return self._first
        visited = self._visited.update(history)
        study = self._told.update(history)
        asked: list[optuna.Trial] = []
        try:
            for attempt in range(N_ATTEMPTS):
                seed = derived_seed(self._seed, PROPOSE, number, attempt)
                trial, params = self._ask(study, seed)
                # A repeat stays a running trial, and so a liar, for the attempts that
                # follow: else the model would insist on it.
                asked.append(trial)
                if params not in visited:
                    return params
        finally:
            # What was asked is no part of the history until the loop says so.
            for trial in asked:
                study.tell(trial, state=_states().FAIL)
        return draw_unvisited(self._space, visited, self._seed, number)

    def _ask(
        self, study: optuna.Study, seed: int
    ) -> tuple[optuna.Trial, dict[str, ParamValue]]:
        """Let a fresh sampler suggest the active hyperparameters, parents first."""
        always = {
            n: self._codes[n] for n in self._space.always_active if n in self._codes
        }
        study.sampler = _sampler(
            seed, {n: code.distribution for n, code in always.items()}
        )
        trial = study.ask()
        params: dict[str, ParamValue] = {}
        for name, hyperparameter in self._space.hyperparameters.items():
            if not self._space.is_active(name, params):
                continue
            code = self._codes.get(name)
            params[name] = (
                code.suggest(trial, name) if code else hyperparameter.nearest(None)
            )
        return trial, params


class _ToldStudy:
    """An in-memory Optuna study that mirrors a history, brought up to date cheaply."""

    def __init__(self, space: Space, codes: dict[str, _Code], maximize: bool) -> None:
        self._space, self._codes, self._maximize = space, codes, maximize
        self._forget()

    def _forget(self) -> None:
        self._study: optuna.Study | None = None
        self._mirrored: list[Trial] = []
        self._numbers: list[int | None] = []
        self._worst: float | None = None

    def update(self, history: Sequence[Trial]) -> optuna.Study:
        """Return a study that holds exactly ``history``."""
        scores = [trial.score for trial in history if trial.score is not None]
        worst = (min if self._maximize else max)(scores, default=None)
        if not self._extends(history, worst):
            self._forget()
        if self._study is None:
            self._study = new_study(self._maximize)
        self._worst = worst
        for index, trial in enumerate(history):
            if index == len(self._mirrored):
                self._numbers.append(self._add(self._study, trial))
                self._mirrored.append(trial)
            elif self._mirrored[index] is not trial:
                self._finish(self._study, self._numbers[index], trial)
                self._mirrored[index] = trial
        return self._study

    def _extends(self, history: Sequence[Trial], worst: float | None) -> bool:
        """Tell whether ``history`` only adds to, or finishes, what is mirrored."""
        if len(history) < len(self._mirrored):
            return False
        failed = any(t.finished and t.score is None for t in self._mirrored)
        if failed and worst != self._worst:
            return False
        return all(
            old is new or (old.params is new.params and not old.finished)
            for old, new in zip(self._mirrored, history, strict=False)
        )

    def _add(self, study: optuna.Study, trial: Trial) -> int | None:
        """Add a trial and return Optuna's number for it; None if it does not fit."""
        from optuna.trial import create_trial

        if self._space.why_not(trial.params) is not None:
            return None
        active = {n: c for n, c in self._codes.items() if n in trial.params}
        state, value = self._outcome(trial)
        study.add_trial(
            create_trial(
                params={n: c.encode(trial.params[n]) for n, c in active.items()},
                distributions={n: c.distribution for n, c in active.items()},
                state=state,
                value=value,
            )
        )
        return len(study.get_trials(deepcopy=False)) - 1

    def _finish(self, study: optuna.Study, number: int | None, trial: Trial) -> None:
        state, value = self._outcome(trial)
        if number is not None and state != _states().RUNNING:
            study.tell(number, value, state)

    def _outcome(self, trial: Trial) -> tuple[Any, float | None]:
        states = _states()
        if not trial.finished:
            return states.RUNNING, None
        value = trial.score if trial.score is not None else self._worst
        # Nothing has succeeded yet: there is no worst score, and nothing to learn.
        return (states.FAIL, None) if value is None else (states.COMPLETE, value)


class _Code:
    """Translates one hyperparameter to an Optuna distribution and back.

    Stepped ranges and ordered choices become the index of their value in order, so the
    model sees their order; other choices become categories.
    """

    def __init__(self, hyperparameter: Hyperparameter) -> None:
        from optuna import distributions as d

        self._values: list[Any] | None = None
        self.distribution: BaseDistribution
        if isinstance(hyperparameter, Categorical):
            values = list(hyperparameter.choices)
            self._values = sorted(values) if hyperparameter.ordered else values
        elif hyperparameter.step is not None:
            self._values = list(hyperparameter.values or ())
        if isinstance(hyperparameter, Categorical) and not hyperparameter.ordered:
            self.distribution = d.CategoricalDistribution(
                range(len(self._values or ()))
            )
        elif self._values is not None:
            self.distribution = d.IntDistribution(0, len(self._values) - 1)
        elif isinstance(hyperparameter, Int):
            low, high = hyperparameter.low, hyperparameter.high
            self.distribution = d.IntDistribution(low, high, log=hyperparameter.log)
        elif isinstance(hyperparameter, Float):
            self.distribution = d.FloatDistribution(
                hyperparameter.low, hyperparameter.high, log=hyperparameter.log
            )

    def encode(self, value: ParamValue) -> Any:
        if self._values is None:
            return value
        return next(i for i, known in enumerate(self._values) if alike(known, value))

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        from optuna import distributions as d

        dist = self.distribution
        drawn: Any
        if isinstance(dist, d.CategoricalDistribution):
            drawn = trial.suggest_categorical(name, dist.choices)
        elif isinstance(dist, d.IntDistribution):
            drawn = trial.suggest_int(name, dist.low, dist.high, log=dist.log)
        elif isinstance(dist, d.FloatDistribution):
            drawn = trial.suggest_float(name, dist.low, dist.high, log=dist.log)
        return drawn if self._values is None else self._values[drawn]


def _states() -> Any:
    from optuna.trial import TrialState

    return TrialState


def _sampler(seed: int, always: dict[str, BaseDistribution]) -> Any:
    sampler = _sampler_class()(seed=seed, n_startup_trials=N_STARTUP)
    sampler.always = always
    return sampler


@cache
def _sampler_class() -> Any:
    from optuna.samplers import TPESampler

    class KnownSpaceSampler(TPESampler):
        """Spare Optuna the search through all trials for what they have in common."""

        always: dict[str, BaseDistribution]

        def infer_relative_search_space(
            self, study: Any, trial: Any
        ) -> dict[str, BaseDistribution]:
            return self.always

    return KnownSpaceSampler

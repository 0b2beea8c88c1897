"""A study's trials as an Optuna study in memory, and which hyperparameters mattered.

For Optuna's plots and evaluators, so values are those a person would read, unlike the
codes that `hpo.search.bayesian` searches with. Nothing is stored by Optuna.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.records import ParamValue, Trial
from hpo.space import Categorical, Float, Hyperparameter, Int, Space, constant
from hpo.space.values import identity, is_number

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

MIN_TRIALS = 10
"""Complete trials below which importances say nothing: they compare the best few."""

_EXPECTED_WARNING = "Some regimes for parameter"
"""Begins what Optuna says where few trials had, or lacked, a hyperparameter."""


def new_study(maximize: bool) -> optuna.Study:
    """Return an empty in-memory study that keeps quiet."""
    import optuna

    # It reports each study it creates, and each conditional hyperparameter it samples
    # apart from the others; both are as intended here.
    for module in ("storages._in_memory", "samplers._tpe.sampler"):
        logging.getLogger(f"optuna.{module}").setLevel(logging.ERROR)
    return optuna.create_study(direction="maximize" if maximize else "minimize")


def to_optuna(
    space: Space, trials: Sequence[Trial], *, maximize: bool = True
) -> optuna.Study:
    """Return an in-memory Optuna study that holds ``trials``.

    Complete trials keep their score, stopped ones are pruned, running ones running.
    The scores of the folds are intermediate values, the index of the fold being the
    step. User attributes are ``number``, ``std``, ``train_score`` and ``failure``, as
    far as there are any. Optuna numbers trials as they come: its numbers are ours
    unless some are left out.

    Constants, and trials beyond the stop, are left out. No other trial is: where the
    space was edited and a value of the history lies outside, the distribution is
    widened to hold it, for all trials alike; so is one made up for a hyperparameter
    that the space has no more. Choices that Optuna cannot tell apart (1 and True) are
    given as the texts Python writes for them.

    Args:
        space: The study's space as it is now.
        trials: Its trials, by number.
        maximize: Whether greater scores are better.
    """
    counted = [trial for trial in trials if not trial.beyond_stop]
    study = new_study(maximize)
    axes = _axes(space, counted)
    study.add_trials(_frozen(trial, axes) for trial in counted)
    return study


def importances(
    space: Space, trials: Sequence[Trial], *, maximize: bool = True
) -> dict[str, float]:
    """Return the share of each hyperparameter in what made the best trials good.

    Args:
        space: The study's space as it is now.
        trials: Its trials, by number; only complete ones count.
        maximize: Whether greater scores are better.

    Returns:
        Shares from 0 to 1 by name, which add up to 1, greatest first; those that took
        one value only are left out. Empty if fewer than `MIN_TRIALS` trials are
        complete, if all have the same score, or if no hyperparameter varied.

    Source:
        S. Watanabe et al., "PED-ANOVA", IJCAI 2023; "Conditional PED-ANOVA", KDD 2026,
        as in Optuna.
    """
    from optuna.importance import get_param_importances

    judged = [trial for trial in trials if _has_score(trial) and not trial.beyond_stop]
    seen, axes = _seen(space, judged), _axes(space, judged)
    names = [name for name in axes if len(seen[name]) > 1]
    if len(judged) < MIN_TRIALS or len({t.score for t in judged}) < 2 or not names:
        return {}
    # For good, as taking a filter back is not safe while other threads warn.
    warnings.filterwarnings("ignore", _EXPECTED_WARNING, UserWarning)
    # Named, as Optuna's own order of what it finds differs between processes.
    found = get_param_importances(
        to_optuna(space, judged, maximize=maximize), params=names
    )
    shares = {name: float(found[name]) for name in names}
    return dict(sorted(shares.items(), key=lambda share: -share[1]))


@dataclass(frozen=True)
class _Axis:
    """A distribution, and whether its choices are written as texts."""

    distribution: BaseDistribution
    as_text: bool = False

    def encode(self, value: ParamValue) -> ParamValue:
        return repr(value) if self.as_text else value


def _frozen(trial: Trial, axes: Mapping[str, _Axis]) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    state = {
        "running": TrialState.RUNNING,
        "complete": TrialState.COMPLETE if _has_score(trial) else TrialState.FAIL,
        "stopped": TrialState.PRUNED,
        "failed": TrialState.FAIL,
    }[trial.state]
    attributes = {
        "number": trial.number,
        "std": trial.std if trial.folds else None,
        "train_score": trial.train_score,
        "failure": trial.failure,
    }
    active = {name: axis for name, axis in axes.items() if name in trial.params}
    return create_trial(
        state=state,
        value=trial.score if state == TrialState.COMPLETE else None,
        params={name: axis.encode(trial.params[name]) for name, axis in active.items()},
        distributions={name: axis.distribution for name, axis in active.items()},
        intermediate_values={
            fold.fold: fold.score for fold in trial.folds if fold.score is not None
        },
        user_attrs={k: value for k, value in attributes.items() if value is not None},
    )


def _has_score(trial: Trial) -> bool:
    return trial.score is not None and math.isfinite(trial.score)


def _seen(space: Space, trials: Iterable[Trial]) -> dict[str, list[ParamValue]]:
    """Return the distinct values of each hyperparameter, those of the space first."""
    seen: dict[str, dict[Any, ParamValue]] = {name: {} for name in space.names}
    for trial in trials:
        for name, value in trial.params.items():
            seen.setdefault(name, {}).setdefault(identity(value), value)
    return {name: list(values.values()) for name, values in seen.items()}


def _axes(space: Space, trials: Sequence[Trial]) -> dict[str, _Axis]:
    """Return the axis of each hyperparameter that is no constant."""
    axes = {
        name: _axis(space.hyperparameters.get(name), seen)
        for name, seen in _seen(space, trials).items()
    }
    return {name: axis for name, axis in axes.items() if axis is not None}


def _axis(hp: Hyperparameter | None, seen: Sequence[ParamValue]) -> _Axis | None:
    """Return the axis of the values that are possible or were seen, None for one."""
    if hp is not None and constant(hp):
        only = next(iter(hp.values or ()))
        seen, hp = [only, *(v for v in seen if not hp.holds(v))], None
    if isinstance(hp, Categorical):
        return _chosen([*hp.choices, *(v for v in seen if not hp.holds(v))])
    if len(seen) < 2 and hp is None:
        return None
    if not all(is_number(value) for value in seen):
        return _chosen(seen)
    return _Axis(_range(hp, [v for v in seen if hp is None or not hp.holds(v)]))


def _chosen(choices: Sequence[ParamValue]) -> _Axis:
    from optuna.distributions import CategoricalDistribution

    as_text = len(set(choices)) < len(choices)
    texts = [repr(choice) for choice in choices] if as_text else choices
    return _Axis(CategoricalDistribution(texts), as_text)


def _range(hp: Int | Float | None, outside: Sequence[Any]) -> BaseDistribution:
    """Return the range of ``hp``, widened to the values outside of it."""
    from optuna.distributions import FloatDistribution, IntDistribution

    bounds: list[Any] = [] if hp is None else [hp.low, hp.high]
    if hp is not None and hp.step is not None and hp.values is not None:
        bounds[1] = hp.values[-1]  # the upper bound itself may be no value
    low, high = min([*bounds, *outside]), max([*bounds, *outside])
    log = hp is not None and hp.log and low > 0
    step = hp.step if hp is not None and not outside else None
    if not isinstance(hp, Float) and all(isinstance(v, int) for v in outside):
        return IntDistribution(int(low), int(high), log=log, step=int(step or 1))
    return FloatDistribution(low, high, log=log, step=step)

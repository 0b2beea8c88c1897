"""The contract between cross-validation and a family of models.

A family knows its hyperparameters and trains networks on arrays that are ready for it.
It never splits, preprocesses or scores data, and it is never shown a validation row.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from hpo.errors import Problem
from hpo.records import Params, ParamValue, Task
from hpo.space import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FitRequest:
    """One network to train: the training part of one fold of one trial.

    Args:
        params: Active hyperparameters of the trial.
        X: Preprocessed features of the training rows, float64, shape
            (n_train, n_features); only a family that ``takes_arrays`` may get more
            axes, (n_train, ...), and it may be read-only.
        y: Class codes 0..n_classes-1 (int64) or float64 targets, shape (n_train,), or
            (n_train, n_outputs) for a regression of several targets.
        task: What ``y`` is.
        n_classes: Number of classes of the whole data set; 0 for regression.
        seed: Seeds everything random in this fit; from 0 to 2**32 - 1.
        sample_weight: How much each row counts in the loss, shape (n_train,), with
            mean 1 over the rows; None if all count the same.
    """

    params: Params
    X: NDArray[Any]
    y: NDArray[Any]
    task: Task
    n_classes: int
    seed: int
    sample_weight: NDArray[Any] | None = None


class Predictor(Protocol):
    """A trained model; classifiers also have predict_proba or decision_function.

    ``predict(X)`` gives class codes or values, shaped as the ``y`` it was trained on;
    ``predict_proba(X)`` gives probabilities, shape (n, n_classes), columns in the order
    of the class codes.
    """

    def predict(self, X: NDArray[Any]) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Fitted:
    """A trained network and how its training went; see `hpo.records.FoldResult`."""

    model: Predictor
    fit_seconds: float
    n_epochs: int | None = None
    best_epoch: int | None = None
    n_parameters: int | None = None
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    engine: str = ""


class HandedBack(Exception):  # noqa: N818 - it is none
    """A request that a family gives back, to be trained by itself: no failure."""


class Family(Protocol):
    """A family of models.

    ``name`` is what a study file writes; ``group_limit`` is how many networks one call
    of `fit_group` may train, and 1 means that the family does not train groups;
    ``group_matters`` says whether the last bits of a network's weights may depend on
    the group it is trained in;
    ``whole_trials`` says whether a family that trains no groups is given the folds of a
    trial together all the same, where nothing is lost by it, to stack them if it can;
    ``takes_arrays`` says whether rows may have more than one axis, as images have: for
    other families they are flattened. ``keeps`` are names out of
    `hpo.models.vocabulary.PIPELINE` that are hyperparameters of the model itself here;
    what the others ask for is done before and after `fit_group`.
    """

    name: str
    group_limit: int
    group_matters: bool
    whole_trials: bool
    takes_arrays: bool

    @property
    def keeps(self) -> frozenset[str]:
        """Names of what is done around models that mean the model itself here."""

    def warm_up(self) -> None:
        """Import what training needs, before the clock of the first fold starts."""

    def problems(
        self, space: Space, task: Task | None, n_outputs: int | None = None
    ) -> list[Problem]:
        """Return every mistake of ``space`` for this family; paths start with a name.

        Unknown names get a near match, values are checked at both ends of each range
        and for every choice. ``task`` and ``n_outputs``, the number of targets, are
        None while they are not known yet.
        """

    def defaults(self, task: Task) -> Mapping[str, ParamValue]:
        """Return the family's default for each hyperparameter that has one."""

    def program_key(self, params: Params) -> Hashable:
        """Return what must be equal for two networks to be trained in one group."""

    def fit_group(self, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
        """Train one network for each request, in any order, in this process.

        A network that fails gives its exception (`hpo.errors.TrialError` where the kind
        is known) and leaves its neighbours untouched. Results are in the order of
        requests. A family that is given whole trials may train the first network only,
        and give `HandedBack` for the others, so that other workers can have them.
        """


def one_by_one(
    fit: Callable[[FitRequest], Fitted], requests: Sequence[FitRequest]
) -> list[Fitted | Exception]:
    """Train each request by itself, as a family's `Family.fit_group` may."""
    results: list[Fitted | Exception] = []
    for request in requests:
        try:
            results.append(fit(request))
        except Exception as error:  # the contract: a failure is a result
            results.append(error)
    return results

"""The family `keras-mlp`: dense Keras networks, trained together.

It forms stacks out of a group's networks, which `hpo.models.stack_training` trains, and
owns the trained model that is handed on. Weights of rows count in the training loss as
they do in Keras' `fit`: the weighted losses of a batch are divided by its rows.
Accuracies, and the rows that early stopping watches, are not weighted. Importing it
does not import TensorFlow.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpo.errors import Problem, TrialError
from hpo.models import checks, dense_forward, vocabulary
from hpo.models.family import FitRequest, Fitted
from hpo.models.keras_network import Architecture, bucket, build
from hpo.models.keras_runtime import prepare
from hpo.models.settings import Settings
from hpo.models.stack_backend import Backend, make_backend
from hpo.models.stack_member import PACKET, Member
from hpo.models.stack_program import Programs, Recipe, StackProgram
from hpo.models.stack_training import WATCH_ROWS, StackTraining
from hpo.models.stopping import lacks_memory
from hpo.records import Params, ParamValue, Task
from hpo.space import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUP_LIMIT = 40
"""Networks handed over at once; more make none of them cheaper."""

STACK_BYTES = 256 * 2**20
"""What the weights, the optimizer and the batches of one stack may take together."""

ROWS_BYTES = 512 * 2**20
"""What the rows of one stack may take, each prepared fold once."""

PROGRAMS = Programs()
LOCK = threading.RLock()
"""Held while a program is in use: threads of one process share the programs."""


class KerasMlp:
    """Dense networks in Keras; see `hpo.models.family.Family`.

    Args:
        backend: What Keras will run on in workers, ``tensorflow`` or ``jax``.
    """

    name = vocabulary.KERAS
    group_limit = GROUP_LIMIT
    whole_trials = False
    takes_arrays = False
    keeps: frozenset[str] = frozenset()

    def __init__(self, backend: str = "tensorflow") -> None:
        self._backend = backend
        # JAX compiles a group of another size anew, with other last bits.
        self.group_matters = backend == "jax"

    def warm_up(self) -> None:
        prepare()

    def problems(
        self, space: Space, task: Task | None, n_outputs: int | None = None
    ) -> list[Problem]:
        return checks.problems(self.name, space, task)

    def defaults(self, task: Task) -> Mapping[str, ParamValue]:
        return vocabulary.defaults(self.name, task)

    def program_key(self, params: Params) -> Hashable:
        settings = Settings.of(params)
        # The data are the same for the whole study; any will do.
        network = Architecture.of(settings, 1, "regression", 0)
        return (
            _recipe(network, params, self._backend, weighted="class_weight" in params),
            tuple(bucket(width, self._backend) for width in network.widths),
            settings.batch_size,
            settings.patience is None,
        )

    def fit_group(self, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
        engine = prepare()
        results: dict[int, Fitted | Exception] = {}
        members: dict[int, Member] = {}
        for index, request in enumerate(requests):
            try:
                members[index] = Member(request, engine.split()[2])
            except Exception as error:  # the contract: a failure is a result
                results[index] = error
        with LOCK:
            for stack in _stacks(members):
                trained = _train([members[index] for index in stack], engine)
                results.update(zip(stack, trained, strict=True))
        return [results[index] for index in range(len(requests))]


def _stacks(members: Mapping[int, Member]) -> list[list[int]]:
    """Split members into stacks: of one recipe and shape, and not too large."""
    alike: dict[Hashable, list[int]] = {}
    for index, member in members.items():
        alike.setdefault((_recipe_of(member), member.key), []).append(index)
    stacks: list[list[int]] = []
    for indices in alike.values():
        size, rows = _room(members[indices[0]]), 0
        stacks.append([])
        tables: set[int] = set()
        for index in indices:
            X = members[index].request.X
            rows += 0 if id(X) in tables else 4 * X.size
            if stacks[-1] and (len(stacks[-1]) == size or rows > ROWS_BYTES):
                stacks.append([])
                tables, rows = set(), 4 * X.size
            stacks[-1].append(index)
            tables.add(id(X))
    return stacks


def _room(member: Member) -> int:
    """Return how many networks like ``member`` a stack may have."""
    return max(1, STACK_BYTES // bytes_of(member))


def bytes_of(member: Member) -> int:
    """Estimate what one network takes in a stack, in bytes; its rows are shared.

    Weights count six times (value, gradient, two of the optimizer, and copies), a batch
    twice for each layer, forward and back, and the order of the rows once.
    """
    sizes = member.sizes
    weights = sum(i * o for i, o in itertools.pairwise(sizes))
    rows = max(member.batch_size, min(len(member.watched), WATCH_ROWS))
    order = member.n_steps * (member.batch_size + PACKET)
    return 4 * (6 * weights + 2 * rows * sum(sizes) + order)


def _recipe_of(member: Member) -> Recipe:
    request = member.request
    weighted = request.sample_weight is not None
    return _recipe(
        member.architecture, request.params, member.backend, weighted=weighted
    )


def _recipe(
    network: Architecture, params: Params, backend: str, *, weighted: bool
) -> Recipe:
    """Return what a network's program is compiled for.

    JAX compiles for seconds. So there a rate or penalty that is 0 is data like any
    other where it was named: the trial of the defaults needs no program of its own.
    """
    recipe = Recipe.of(network, weighted=weighted)
    if backend != "jax":
        return recipe
    return replace(
        recipe,
        has_dropout=recipe.n_hidden > 0 and "dropout" in params,
        has_penalty="l1" in params or "l2" in params,
    )


def _train(members: Sequence[Member], engine: str) -> list[Fitted | Exception]:
    started = time.perf_counter()
    backend = make_backend(engine.split()[2])
    program = PROGRAMS.get(_recipe_of(members[0]), backend)
    try:
        why_not = _distrust(program, backend, members)
        if why_not is None:
            StackTraining(members, program, backend, _room(members[0])).run()
        else:
            from hpo.models.keras_alone import train_alone

            train_alone(members)
    except Exception as error:  # the contract: a failure is a result
        if len(members) == 1:
            return [_named(error)]
        # One of them may be the cause: find out by halves.
        fresh = [Member(member.request, member.backend) for member in members]
        half = len(fresh) // 2
        return _train(fresh[:half], engine) + _train(fresh[half:], engine)
    kind = "stacked" if why_not is None else f"fit: {why_not}"
    seconds = time.perf_counter() - started
    n_epochs = max(1, sum(member.n_epochs for member in members))
    return [
        _fitted(member, seconds * member.n_epochs / n_epochs, f"{engine} {kind}")
        for member in members
    ]


def _distrust(
    program: StackProgram, backend: Backend, members: Sequence[Member]
) -> str | None:
    """Return why a program must not be used; None if it has passed its self-check."""
    if not program.checked:
        from hpo.models.stack_check import mismatch

        try:
            program.why_not = mismatch(program, backend, members, _room(members[0]))
        except Exception as error:  # `fit` does without what cannot be compiled
            if lacks_memory(error):
                raise
            what = str(error).partition("\n")[0]
            program.why_not = f"its self-check failed: {type(error).__name__}: {what}"
        program.checked = True
    return program.why_not


def _fitted(member: Member, seconds: float, engine: str) -> Fitted | Exception:
    if member.error is not None:
        error = _named(member.error)
        if isinstance(error, TrialError):
            error.engine = engine
        return error
    model = KerasModel(
        member.architecture, member.weights, member.request.n_classes, member.settings
    )
    return Fitted(
        model=model,
        fit_seconds=seconds,
        n_epochs=member.n_epochs,
        best_epoch=member.stopping.best_epoch if member.stopping else None,
        n_parameters=member.n_parameters,
        curves=member.curves,
        engine=engine,
    )


@dataclass(frozen=True, eq=False)
class KerasModel:
    """A trained network: arrays of weights, which any process can run or pickle.

    Args:
        architecture: What it looks like.
        weights: In the order of Keras' ``get_weights``.
        n_classes: 0 for regression.
        settings: What it was trained with.
    """

    architecture: Architecture
    weights: list[NDArray[Any]]
    n_classes: int
    settings: Settings

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return class codes (int64), shape (n,), or values (float64).

        Values have shape (n,), or (n, n_outputs) for several targets.
        """
        if self.n_classes == 0:
            values = self._outputs(X)
            return values[:, 0] if values.shape[1] == 1 else values
        codes: NDArray[Any] = self.predict_proba(X).argmax(axis=1)
        return codes

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities, shape (n, n_classes); each row sums to 1."""
        import numpy as np

        outputs = self._outputs(X)
        if self.architecture.n_outputs == 1:
            return np.hstack([1 - outputs, outputs])
        # float32 rows sum to 1 only to 7 digits, which scikit-learn's losses notice.
        normalised: NDArray[Any] = outputs / outputs.sum(axis=1, keepdims=True)
        return normalised

    def network(self) -> Any:
        """Return a stand-alone `keras.Model` with these weights, ready to be saved."""
        prepare()
        settings = self.settings
        network = build(
            self.architecture,
            dropout=settings.dropout,
            l1=settings.l1,
            l2=settings.l2,
        )
        network.set_weights(self.weights)
        return network

    def _outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        return dense_forward.outputs(self.architecture, self.weights, X)


def _named(error: Exception) -> Exception:
    """Give a lack of memory its kind; leave other errors as they are."""
    if lacks_memory(error):
        return TrialError(
            "memory", "memory ran out in training: lower units or batch_size"
        )
    return error

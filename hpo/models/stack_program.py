"""The compiled training of a stack of `keras-mlp` networks: one epoch is one call.

Networks of equal depth, activation, loss and optimizer are stacked along a first axis
and take every step together: one batched product instead of many small ones, and none
of `Model.fit`'s time per step and per fit. What differs between them (weights, widths,
settings of the optimizer, L1, L2, dropout, seeds) is data. A narrow network is filled
up with neurons whose weights are zero and stay zero.

It knows no params, no early stopping and no seeds of a study (`hpo.models.keras_mlp`
does).
"""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hpo.models.keras_network import BN_EPSILON, Architecture
from hpo.models.stack_backend import Backend
from hpo.models.stack_dropout import dropped, places
from hpo.models.stack_optimizers import update

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_PROGRAMS = 16
"""Programs kept per process; each takes a few MB."""

BN_MOMENTUM = 0.99
"""Of Keras' BatchNormalization."""

SHIFTED = ("sigmoid", "softplus")
"""Activations that do not map 0 to 0, so that filled-up neurons must be silenced."""


@dataclass(frozen=True)
class Recipe:
    """What a program is compiled for; the fields are those of `Architecture`.

    Args:
        n_hidden: Hidden layers; their widths are data.
        weighted: Whether rows count differently in the loss.
    """

    n_hidden: int
    activation: str
    batch_norm: bool
    has_dropout: bool
    has_penalty: bool
    output_activation: str
    loss: str
    optimizer: str
    nesterov: bool
    weighted: bool

    @classmethod
    def of(cls, architecture: Architecture, *, weighted: bool) -> Recipe:
        """Return the recipe that trains networks of ``architecture``."""
        return cls(
            n_hidden=len(architecture.widths),
            activation=architecture.activation,
            batch_norm=architecture.batch_norm,
            has_dropout=architecture.has_dropout,
            has_penalty=architecture.has_penalty,
            output_activation=architecture.output_activation,
            loss=architecture.loss,
            optimizer=architecture.optimizer,
            nesterov=architecture.nesterov,
            weighted=weighted,
        )


class StackProgram:
    """The compiled training of one recipe.

    State and data are trees of stacked arrays; K is the number of networks:

    * ``state``: ``weights``, a list of kernels (K, inputs, outputs) and vectors (K, 1,
      outputs) in Keras' order; ``slots`` of the optimizer; ``moving``, mean and
      variance of each batch normalisation; ``step``, the updates done, a scalar.
    * ``data``: ``seed`` (K,) uint32, ``silence`` (a list of (K, 1, width)), ``drop``
      and ``scale`` for dropout, ``l1``, ``l2`` and the optimizer's, all (K, 1, 1).

    Args:
        recipe: What to compile.
        backend: What compiles it.

    Attributes:
        checked: Whether it has been compared with Keras.
        why_not: Why it must not be used, if the comparison said so.
    """

    def __init__(self, recipe: Recipe, backend: Backend) -> None:
        self.recipe = recipe
        self.checked = False
        self.why_not: str | None = None
        self._backend = backend
        self._epoch: Any = None
        self._watch: Any = None

    @cached_property
    def _codes(self) -> bool:
        return self.recipe.loss == "sparse_categorical_crossentropy"

    def epoch(
        self,
        state: Any,
        data: Any,
        X: Any,
        y: Any,
        order: NDArray[Any],
        counts: NDArray[Any],
        schedule: Mapping[str, NDArray[Any]],
        weight: NDArray[Any] | None = None,
    ) -> tuple[Any, NDArray[Any], NDArray[Any]]:
        """Train all networks for one epoch.

        Args:
            state: Where they are.
            data: What each of them is.
            X: Features of all rows, (n, n_features), float32, on the device.
            y: Codes (n,), int32, or targets (n, n_outputs), float32, likewise.
            order: Positions of the rows of each batch, (steps, K, batch), int32. The
                last places of a batch may be filling, with any position.
            counts: Rows of each batch that are not filling, (steps, K), float32. Steps
                without any, which come last, are not taken.
            schedule: Of the optimizer, for these steps.
            weight: How much each row counts, (n,), if the recipe is weighted.

        Returns:
            The new state; the mean over the rows of each network's weighted losses,
            penalty included, each measured before its update, as `fit` does, (K,); and
            the sum of the metrics of its rows, unweighted, (K,).
        """
        arguments = [state, data, X, y, order, counts, schedule]
        if self.recipe.weighted:
            arguments.append(weight)
        if self._epoch is None:
            self._epoch = self._backend.compiled(self._run_epoch, arguments)
        state, losses, metrics = self._epoch(*arguments)
        to_numpy = self._backend.to_numpy
        return state, to_numpy(losses) / counts.sum(axis=0), to_numpy(metrics)

    def watch(
        self,
        state: Any,
        data: Any,
        X: Any,
        y: Any,
        rows: NDArray[Any],
        counts: NDArray[Any],
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return each network's summed loss on its own rows, and its summed metric.

        Args:
            state: Where they are.
            data: What each of them is.
            X: As in `epoch`.
            y: As in `epoch`.
            rows: Positions, (K, n), int32; the last ones may be filling.
            counts: Rows that are not filling, (K,), float32.
        """
        known = {name: state[name] for name in ("weights", "moving")}
        arguments = [known, {"silence": data["silence"]}, X, y, rows, counts]
        if self._watch is None:
            self._watch = self._backend.compiled(self._run_watch, arguments)
        losses, metrics = self._watch(*arguments)
        return self._backend.to_numpy(losses), self._backend.to_numpy(metrics)

    def _run_epoch(
        self,
        state: Any,
        data: Any,
        X: Any,
        y: Any,
        order: Any,
        counts: Any,
        schedule: Any,
        weight: Any = None,
    ) -> tuple[Any, Any, Any]:
        from keras import ops

        def body(carried: Any, rows: Any, count: Any, now: Any) -> Any:
            state, losses, metrics = carried
            each = None if weight is None else ops.take(weight, rows, axis=0)
            state, loss, metric = self._step(
                state,
                data,
                ops.take(X, rows, axis=0),
                ops.take(y, rows, axis=0),
                count,
                each,
                now,
            )
            return state, losses + count * loss, metrics + metric

        if self.recipe.has_dropout:
            words = places(state["weights"], order, self.recipe.batch_norm)
            data = {**data, "places": words}
        nothing = ops.zeros_like(counts[0])
        n_steps = ops.count_nonzero(ops.max(counts, axis=1))
        return self._backend.loop(  # type: ignore[no-any-return]
            body, (state, nothing, nothing), (order, counts, schedule), n_steps
        )

    def _step(
        self, state: Any, data: Any, X: Any, y: Any, count: Any, each: Any, now: Any
    ) -> tuple[Any, Any, Any]:
        """Do one update of every network, each on its own batch (K, batch, ...)."""
        from keras import ops

        valid = _valid(X, count)

        def total(weights: Any) -> tuple[Any, Any]:
            logits, moving = self._forward(
                weights, state["moving"], data, X, valid, state["step"]
            )
            losses = self._losses(logits, y)
            counted = valid if each is None else valid * each
            loss = ops.sum(losses * counted, axis=1) / count
            if self.recipe.has_penalty:
                loss = loss + self._penalty(weights, data)
            metric = ops.sum(self._measured(logits, y) * valid, axis=1)
            return ops.sum(loss), (loss, metric, moving)

        (loss, metric, moving), gradients = self._backend.gradients(
            total, state["weights"]
        )
        weights, slots = update(
            self.recipe.optimizer,
            self.recipe.nesterov,
            state["weights"],
            gradients,
            state["slots"],
            now,
            data,
        )
        after = {
            "weights": weights,
            "slots": slots,
            "moving": moving,
            "step": state["step"] + 1,
        }
        return after, loss, metric

    def _run_watch(
        self, state: Any, data: Any, X: Any, y: Any, rows: Any, counts: Any
    ) -> tuple[Any, Any]:
        from keras import ops

        X, y = ops.take(X, rows, axis=0), ops.take(y, rows, axis=0)
        valid = _valid(X, counts)
        logits, _ = self._forward(
            state["weights"], state["moving"], data, X, valid, None
        )
        losses = ops.sum(self._losses(logits, y) * valid, axis=1)
        return losses, ops.sum(self._measured(logits, y) * valid, axis=1)

    def _forward(
        self, weights: Any, moving: Any, data: Any, X: Any, valid: Any, step: Any
    ) -> tuple[Any, list[Any]]:
        """Run the layers up to the output's activation; ``step`` is None in use.

        Returns:
            What the last layer gives before its activation, (K, batch, outputs), and
            the moving statistics after this batch.
        """
        import keras
        from keras import ops

        activate = keras.activations.get(self.recipe.activation)
        left, statistics = list(weights), list(moving)
        after: list[Any] = []
        for layer in range(self.recipe.n_hidden):
            X = ops.matmul(X, left.pop(0))
            if self.recipe.batch_norm:
                gamma, beta = left.pop(0), left.pop(0)
                mean, variance = statistics.pop(0), statistics.pop(0)
                if step is not None:
                    old = (mean, variance)
                    mean, variance = _moments(X, valid)
                    after += [
                        _moved(*pair)
                        for pair in zip(old, (mean, variance), strict=True)
                    ]
                scale = gamma * ops.rsqrt(variance + BN_EPSILON)
                X = X * scale + (beta - mean * scale)
            else:
                X = X + left.pop(0)
            X = activate(X)
            if self.recipe.activation in SHIFTED:
                X = X * data["silence"][layer]
            if self.recipe.has_dropout and step is not None:
                X = dropped(X, data, step, data["places"][layer])
        kernel, bias = left
        # Its gradient is a sum over rows for each output. As that of a product it is
        # added in one order; as a sum it would be in that of the whole stack, where the
        # outputs of a network fill no whole number of vector instructions.
        shift = ops.matmul(ops.ones_like(X[..., :1]), bias)
        return ops.matmul(X, kernel) + shift, after

    def _losses(self, logits: Any, y: Any) -> Any:
        """Return the loss of each row, (K, batch), as Keras' losses of these names."""
        import keras
        from keras import ops

        if self._backend.sees_logits and self._codes:
            true = ops.sum(ops.where(_one_hot(y, logits), logits, 0.0), axis=-1)
            return ops.logsumexp(logits, axis=-1) - true
        is_binary = self.recipe.loss == "binary_crossentropy"
        if self._backend.sees_logits and is_binary:
            # Not by way of |logits|, whose slope is wrong at a logit of exactly 0: that
            # of a network whose last hidden layer is silent.
            return ops.mean(ops.softplus(logits) - logits * y, axis=-1)
        outputs = keras.activations.get(self.recipe.output_activation)(logits)
        if self._codes:
            return ops.sparse_categorical_crossentropy(y, outputs)
        if is_binary:
            return ops.mean(ops.binary_crossentropy(y, outputs), axis=-1)
        return ops.mean(ops.square(outputs - y), axis=-1)

    def _measured(self, logits: Any, y: Any) -> Any:
        """Return the metric of each row, (K, batch).

        1 if it is classified right, else 0; of values, their mean absolute error.
        """
        import keras
        from keras import ops

        if self._codes:
            return ops.cast(
                ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), y), "float32"
            )
        if self.recipe.loss == "binary_crossentropy":
            hits = ops.equal(logits[..., 0] > 0.0, y[..., 0] > 0.5)
            return ops.cast(hits, "float32")
        outputs = keras.activations.get(self.recipe.output_activation)(logits)
        return ops.mean(ops.absolute(outputs - y), axis=-1)

    def _penalty(self, weights: Any, data: Any) -> Any:
        from keras import ops

        stride = 3 if self.recipe.batch_norm else 2
        loss: Any = 0.0
        for kernel in weights[::stride]:
            # Not |kernel|, whose slope at 0 is 1 on JAX: what fills up would move.
            sign = ops.stop_gradient(ops.sign(kernel))
            absolute = ops.sum(kernel * sign, axis=(1, 2))
            squared = ops.sum(ops.square(kernel), axis=(1, 2))
            loss = loss + data["l1"][:, 0, 0] * absolute
            loss = loss + data["l2"][:, 0, 0] * squared
        return loss


def _valid(X: Any, count: Any) -> Any:
    """Return 1 for rows of a batch and 0 for filling, (K, batch), float32."""
    from keras import ops

    place = ops.arange(ops.shape(X)[1], dtype="float32")
    return ops.cast(place[None, :] < count[:, None], "float32")


def _one_hot(y: Any, logits: Any) -> Any:
    from keras import ops

    classes = ops.arange(ops.shape(logits)[-1], dtype="int32")
    return ops.equal(y[..., None], classes)


def _moments(X: Any, valid: Any) -> tuple[Any, Any]:
    """Return mean and variance over the rows that count, both (K, 1, width)."""
    from keras import ops

    share = (valid / ops.sum(valid, axis=1, keepdims=True))[..., None]
    mean = ops.sum(X * share, axis=1, keepdims=True)
    return mean, ops.sum(ops.square(X - mean) * share, axis=1, keepdims=True)


def _moved(old: Any, new: Any) -> Any:
    return old * BN_MOMENTUM + new * (1.0 - BN_MOMENTUM)


class Programs:
    """The programs of this process; the less recently used half goes when it is full.

    Args:
        limit: How many to keep.
    """

    def __init__(self, limit: int = MAX_PROGRAMS) -> None:
        self._limit = limit
        self._programs: OrderedDict[Recipe, StackProgram] = OrderedDict()

    def __len__(self) -> int:
        return len(self._programs)

    def get(self, recipe: Recipe, backend: Backend) -> StackProgram:
        """Return the program of ``recipe``; it is compiled when first called."""
        if recipe not in self._programs:
            if len(self._programs) >= self._limit:
                self._make_room()
            self._programs[recipe] = StackProgram(recipe, backend)
        self._programs.move_to_end(recipe)
        return self._programs[recipe]

    def _make_room(self) -> None:
        for _ in range((self._limit + 1) // 2):
            self._programs.popitem(last=False)
        # A program and its graphs refer to each other in circles. Half of the programs
        # at once, because a collection takes as long as tracing one.
        gc.collect()

"""One step of training of any compiled Keras model, as a pure function.

It says what Keras' own ``train_step`` says, with the model's own loss, metrics and
optimizer, but takes the state as tensors and returns the new one. What runs it, and how
often, others decide.

Source:
    Keras 3.15, keras/src/backend/jax/trainer.py, which trains in this form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from hpo.models.traced_optimizer import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray


class State(NamedTuple):
    """What training changes, tensors in the order of Keras' lists.

    Args:
        trainable: Of the model.
        others: Its ``non_trainable_variables``, states of seeds among them.
        optimizer: Of the optimizer, the learning rate among them.
    """

    trainable: tuple[Any, ...]
    others: tuple[Any, ...]
    optimizer: tuple[Any, ...]


class Batch(NamedTuple):
    """Rows as ``fit`` takes them: arrays, or lists of them for several ends.

    Args:
        x: Inputs, first axis rows.
        y: Targets.
        weight: How much each row's loss counts; None for 1 each.
    """

    x: Any
    y: Any
    weight: Any = None

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.x[0] if isinstance(self.x, list) else self.x)

    def take(self, rows: NDArray[Any] | slice) -> Batch:
        """Return some of the rows, of arrays."""

        def taken(part: Any) -> Any:
            if isinstance(part, list):
                return [end[rows] for end in part]
            return None if part is None else part[rows]

        return Batch(*map(taken, self))


class Segment(NamedTuple):
    """Steps of several networks at once, some of which are not to take them.

    Args:
        rows: Positions of rows of each network in the order to train them, shape
            (networks, n), int64; the last batch has what is left of them.
        trained: Which networks take the steps, shape (networks,); the others stay as
            they are, whatever rows they have here.
    """

    rows: NDArray[Any]
    trained: NDArray[Any]


class Step:
    """The steps of one model.

    Args:
        model: Compiled and built. Its variables are placeholders from now on, and its
            metrics get built.
        batch: A few rows, to build metrics on.
        differentiate: ``differentiate(loss, variables)`` returns what ``loss`` returns
            for the variables, (loss, more), and the gradients.
    """

    def __init__(
        self,
        model: Any,
        batch: Batch,
        differentiate: Callable[[Callable[..., Any], Any], tuple[Any, Any]],
    ) -> None:
        self.model = model
        self._differentiate = differentiate
        self._takes_training = bool(model._call_has_training_arg)
        model._symbolic_build(data_batch=tuple(batch))
        self.optimizer = functional(model.optimizer)
        self.optimizer.build(model.trainable_variables)
        model.reset_metrics()
        self.fresh_metrics = tuple(_arrays(model.metrics_variables))
        self._fresh_optimizer = tuple(_arrays(self.optimizer.variables))

    def state_of(self, model: Any) -> State:
        """Return the state that a new model of equal build starts from, as arrays."""
        fresh = list(self._fresh_optimizer)
        rate = model.optimizer._learning_rate
        for index, variable in enumerate(self.optimizer.variables):
            if variable is self.optimizer._learning_rate:
                (fresh[index],) = _arrays([rate])
        return State(
            tuple(_arrays(model.trainable_variables)),
            tuple(_arrays(model.non_trainable_variables)),
            tuple(fresh),
        )

    def train(self, state: State, metrics: Any, batch: Batch) -> tuple[State, Any]:
        """Update weights and metrics for one batch."""

        def loss(trainable: Any) -> tuple[Any, Any]:
            return self._forward(trainable, state.others, metrics, batch, True)

        (value, (others, outputs)), gradients = self._differentiate(
            loss, list(state.trainable)
        )
        trainable, optimizer = self.optimizer.stateless_apply(
            list(state.optimizer), gradients, list(state.trainable)
        )
        metrics = self._measured(metrics, value, outputs, batch)
        return State(tuple(trainable), tuple(others), tuple(optimizer)), metrics

    def test(self, state: State, metrics: Any, batch: Batch) -> tuple[State, Any]:
        """Update metrics for one batch; of the state, only that of seeds may change."""
        value, (others, outputs) = self._forward(
            state.trainable, state.others, metrics, batch, False
        )
        metrics = self._measured(metrics, value, outputs, batch)
        return state._replace(others=tuple(others)), metrics

    def results(self, metrics: Any) -> dict[str, Any]:
        """Return what metrics say now, by the names that ``fit`` reports."""
        import keras

        known = list(zip(self.model.metrics_variables, metrics, strict=True))
        with keras.StatelessScope(state_mapping=known):
            found = self.model.get_metrics_result()
        return {name: keras.ops.cast(v, "float32") for name, v in found.items()}

    def _forward(
        self, trainable: Any, others: Any, metrics: Any, batch: Batch, training: bool
    ) -> tuple[Any, Any]:
        model = self.model
        options = {"training": training} if self._takes_training else {}
        outputs, others, losses = model.stateless_call(
            list(trainable), list(others), batch.x, return_losses=True, **options
        )
        # Penalties of layers: the loss below would look for them outside of the scope.
        model._losses_override.clear()
        model._losses_override = losses
        value, (_, others, _) = model.stateless_compute_loss(
            list(trainable),
            list(others),
            list(metrics),
            x=batch.x,
            y=batch.y,
            y_pred=outputs,
            sample_weight=batch.weight,
            training=training,
        )
        model._losses_override.clear()
        return value, (others, outputs)

    def _measured(self, metrics: Any, loss: Any, outputs: Any, batch: Batch) -> Any:
        import keras

        model = self.model
        known = list(zip(model.metrics_variables, metrics, strict=True))
        n_rows = keras.ops.shape(keras.tree.flatten(batch.x)[0])[0]
        with keras.StatelessScope(state_mapping=known) as scope:
            model._loss_tracker.update_state(loss, sample_weight=n_rows)
            model.compute_metrics(batch.x, batch.y, outputs, batch.weight)
        return tuple(scope.get_current_value(v) for v in model.metrics_variables)


def _arrays(variables: Any) -> list[Any]:
    import keras

    return [keras.ops.convert_to_numpy(variable) for variable in variables]

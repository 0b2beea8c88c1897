"""The optimizers of `keras-mlp`: Keras' own, fit for programs that serve many networks.

It changes what would be compiled in or leak, and none of the formulas.
"""

from __future__ import annotations

from typing import Any

from hpo.models.settings import Settings
from hpo.models.vocabulary import ADAMS

EPSILON = 1e-7
"""Of adam, nadam and adamax where params have none: Keras' own default."""


class Rate:
    """A decay rate in a variable, which stands where Keras expects a number.

    Keras takes ``1 - rate`` of Python's numbers and rounds that to float32. Taken of a
    float32 it would differ in the last bits; so the complement has its own variable.
    """

    def __init__(self) -> None:
        self._rate, self._complement = _variable(), _variable()

    def assign(self, rate: float) -> None:
        self._rate.assign(rate)
        self._complement.assign(1 - rate)

    def __rsub__(self, _one: int) -> Any:
        return self._complement

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        import tensorflow as tf

        return tf.convert_to_tensor(self._rate, dtype, name=name)


class Tuning:
    """What optimizers read at every update, as variables instead of constants."""

    def __init__(self) -> None:
        self.momentum, self.epsilon = _variable(), _variable()
        self.beta_1, self.beta_2, self.rho = Rate(), Rate(), Rate()

    def assign(self, settings: Settings) -> None:
        """Take the values of ``settings``."""
        self.momentum.assign(settings.momentum)
        epsilon = settings.epsilon
        self.epsilon.assign(EPSILON if epsilon is None else epsilon)
        self.beta_1.assign(settings.beta_1)
        self.beta_2.assign(settings.beta_2)
        self.rho.assign(settings.rho)


def make_optimizer(name: str, nesterov: bool, tuning: Tuning) -> Any:
    """Return a Keras optimizer that reads ``tuning`` at every update.

    Args:
        name: As in the vocabulary, which uses Keras' names.
        nesterov: For sgd.
        tuning: Its hyperparameters besides the learning rate.
    """
    import keras

    if name == "sgd":
        optimizer = _make_sgd(nesterov, tuning.momentum)
    else:
        optimizer = keras.optimizers.get(name)
    read = {"rmsprop": ("rho",)} | dict.fromkeys(ADAMS, ("beta_1", "beta_2", "epsilon"))
    for hyperparameter in read.get(name, ()):
        setattr(optimizer, hyperparameter, getattr(tuning, hyperparameter))
    # Keras sums gradients over replicas, here one, through a custom gradient that
    # TensorFlow registers for ever, and the whole graph with it: 5 MB a program.
    optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
    return optimizer


def _make_sgd(nesterov: bool, momentum: Any) -> Any:
    import keras

    class Sgd(keras.optimizers.SGD):  # type: ignore[misc]
        """Keras' SGD, except that momentum is a variable and not a constant."""

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            velocity = self.momentums[self._get_variable_index(variable)]
            change = learning_rate * gradient
            self.assign(velocity, velocity * momentum - change)
            ahead = velocity * momentum - change if self.nesterov else velocity
            self.assign_add(variable, ahead)

    # Any momentum but 0 makes Keras create the velocities.
    return Sgd(momentum=0.5, nesterov=nesterov)


def _variable() -> Any:
    import tensorflow as tf

    return tf.Variable(0.0, trainable=False)

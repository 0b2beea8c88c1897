"""The optimizers of `keras-mlp`: Keras' own, fit for programs that serve many networks.

It changes what would be compiled in or leak, and none of the formulas.
"""

from __future__ import annotations

from typing import Any


def make_optimizer(name: str, nesterov: bool, momentum: Any) -> Any:
    """Return a Keras optimizer with a variable as momentum if it is sgd.

    Args:
        name: As in the vocabulary, which uses Keras' names.
        nesterov: For sgd.
        momentum: A float32 variable, read at every update of sgd.
    """
    import keras

    if name == "sgd":
        optimizer = _make_sgd(nesterov, momentum)
    else:
        optimizer = keras.optimizers.get(name)
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

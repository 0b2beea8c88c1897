"""The update rules of `keras-mlp` for stacks: one formula, other numbers per network.

The formulas are those of Keras' optimizers of the same names, so that a network of a
stack goes where `fit` would take it. Arrays are stacked along their first axis; the
hyperparameters have shape (n_networks, 1, 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpo.models.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

EPSILON = 1e-7
"""Keras' own default, of every optimizer that divides."""

LEAST_EPSILON = 1e-37
"""A smaller number is zero in float32, and neurons that fill up would divide by it."""

ADAGRAD_START = 0.1
"""Keras' initial accumulator."""

NADAM_CHUNK = 4096

N_SLOTS = {"sgd": 1, "adam": 2, "nadam": 2, "adamax": 2, "rmsprop": 1, "adagrad": 1}
"""How many arrays of the shape of the weights each optimizer remembers."""


def tuning(stack: Sequence[Settings]) -> dict[str, NDArray[Any]]:
    """Return what optimizers read, each of shape (n_networks, 1, 1), float32.

    ``<name>_rest`` is one minus a decay rate. Keras takes it of Python's number and
    rounds then; taken of a float32 it would differ in the last bits.
    """
    import numpy as np

    values = {
        "learning_rate": [s.learning_rate for s in stack],
        "momentum": [s.momentum for s in stack],
        "beta_1": [s.beta_1 for s in stack],
        "beta_2": [s.beta_2 for s in stack],
        "rho": [s.rho for s in stack],
        "beta_1_rest": [1 - s.beta_1 for s in stack],
        "beta_2_rest": [1 - s.beta_2 for s in stack],
        "rho_rest": [1 - s.rho for s in stack],
        "epsilon": [
            EPSILON if s.epsilon is None else max(s.epsilon, LEAST_EPSILON)
            for s in stack
        ],
    }
    return {
        name: np.asarray(numbers, "float32").reshape(-1, 1, 1)
        for name, numbers in values.items()
    }


def fresh_slots(
    optimizer: str, weights: Sequence[NDArray[Any]]
) -> dict[str, list[NDArray[Any]]]:
    """Return what an optimizer remembers before its first update."""
    import numpy as np

    start = ADAGRAD_START if optimizer == "adagrad" else 0.0
    return {
        f"slot_{i}": [np.full(w.shape, start, "float32") for w in weights]
        for i in range(N_SLOTS[optimizer])
    }


def schedule(
    optimizer: str, stack: Sequence[Settings], first: int, n_steps: int
) -> dict[str, NDArray[Any]]:
    """Return what changes from update to update but is the same for all weights.

    It is computed here, not in the program: powers of stacked numbers are rounded
    differently in stacks of different sizes.

    Args:
        optimizer: As in the vocabulary.
        stack: The settings of each network.
        first: Updates done before.
        n_steps: Updates to come.

    Returns:
        Arrays of shape (n_steps, n_networks, 1, 1), float32.
    """
    import numpy as np

    step = np.arange(first + 1, first + n_steps + 1, dtype="float64")[:, None]
    # Rounded as Keras does: taken from 1, a beta near 1 loses digits.
    beta_1 = np.array([s.beta_1 for s in stack], "float32").astype("float64")
    beta_2 = np.array([s.beta_2 for s in stack], "float32").astype("float64")
    values: dict[str, NDArray[Any]] = {}
    if optimizer == "adam":
        rate = np.array([s.learning_rate for s in stack])
        values["rate"] = rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    elif optimizer == "adamax":
        values["correction"] = 1 - beta_1**step
    elif optimizer == "nadam":
        decays = _nadam_decays(beta_1, first, n_steps + 1)
        product = np.cumprod(decays, axis=0) * _nadam_product(beta_1, first)
        values["now"], values["ahead"] = decays[:-1], decays[1:]
        values["product"], values["product_ahead"] = product[:-1], product[1:]
        values["correction"] = 1 - beta_2**step
    return {
        name: array.astype("float32")[..., None, None] for name, array in values.items()
    }


def _nadam_decays(beta_1: NDArray[Any], first: int, n_steps: int) -> NDArray[Any]:
    import numpy as np

    step = np.arange(first + 1, first + n_steps + 1, dtype="float64")[:, None]
    decays: NDArray[Any] = beta_1 * (1 - 0.5 * 0.96**step)
    return decays


def _nadam_product(beta_1: NDArray[Any], n_steps: int) -> NDArray[Any]:
    """Return the product of all decays of the first steps, not all at once."""
    import numpy as np

    product = np.ones_like(beta_1)
    for start in range(0, n_steps, NADAM_CHUNK):
        if not product.any():
            break
        length = min(NADAM_CHUNK, n_steps - start)
        product = product * _nadam_decays(beta_1, start, length).prod(axis=0)
    return product


def update(
    optimizer: str,
    nesterov: bool,
    weights: Sequence[Any],
    gradients: Sequence[Any],
    slots: Mapping[str, list[Any]],
    now: Mapping[str, Any],
    hyper: Mapping[str, Any],
) -> tuple[list[Any], dict[str, list[Any]]]:
    """Do one update of all networks of a stack.

    Args:
        optimizer: As in the vocabulary, which uses Keras' names.
        nesterov: For sgd.
        weights: Stacked arrays.
        gradients: Of the same shapes.
        slots: What the optimizer remembers, from `fresh_slots` or the last update.
        now: One step of `schedule`.
        hyper: From `tuning`.

    Returns:
        The new weights and the new slots.
    """
    rule: Any = {
        "sgd": _nesterov if nesterov else _sgd,
        "adam": _adam,
        "nadam": _nadam,
        "adamax": _adamax,
        "rmsprop": _rmsprop,
        "adagrad": _adagrad,
    }[optimizer]
    done = [
        rule(weight, gradient, *memory, hyper, now)
        for weight, gradient, *memory in zip(
            weights, gradients, *slots.values(), strict=True
        )
    ]
    kept = {name: [r[i] for r in done] for i, name in enumerate(slots, start=1)}
    return [result[0] for result in done], kept


def _sgd(w: Any, g: Any, velocity: Any, hyper: Any, now: Any) -> tuple[Any, ...]:
    """Momentum.

    Source:
        B. T. Polyak, "Some methods of speeding up the convergence of iteration
        methods", 1964.
    """
    velocity = velocity * hyper["momentum"] - hyper["learning_rate"] * g
    return w + velocity, velocity


def _nesterov(w: Any, g: Any, velocity: Any, hyper: Any, now: Any) -> tuple[Any, ...]:
    """Nesterov's momentum.

    Source:
        I. Sutskever et al., "On the importance of initialization and momentum in deep
        learning", ICML 2013.
    """
    change = hyper["learning_rate"] * g
    velocity = velocity * hyper["momentum"] - change
    return w + (velocity * hyper["momentum"] - change), velocity


def _adam(w: Any, g: Any, m: Any, v: Any, hyper: Any, now: Any) -> tuple[Any, ...]:
    """Adam.

    Source:
        D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015,
        section 2 (the efficient order of its last lines).
    """
    from keras import ops

    m = m + (g - m) * hyper["beta_1_rest"]
    v = v + (ops.square(g) - v) * hyper["beta_2_rest"]
    return w - m * now["rate"] / (ops.sqrt(v) + hyper["epsilon"]), m, v


def _nadam(w: Any, g: Any, m: Any, v: Any, hyper: Any, now: Any) -> tuple[Any, ...]:
    """Adam with Nesterov's momentum.

    Source:
        T. Dozat, "Incorporating Nesterov Momentum into Adam", 2016.
    """
    from keras import ops

    m = m + (g - m) * (1.0 - hyper["beta_1"])
    v = v + (ops.square(g) - v) * (1.0 - hyper["beta_2"])
    m_hat = now["ahead"] * m / (1.0 - now["product_ahead"]) + (1.0 - now["now"]) * g / (
        1.0 - now["product"]
    )
    v_hat = v / now["correction"]
    change = m_hat * hyper["learning_rate"] / (ops.sqrt(v_hat) + hyper["epsilon"])
    return w - change, m, v


def _adamax(w: Any, g: Any, m: Any, u: Any, hyper: Any, now: Any) -> tuple[Any, ...]:
    """Adam with the largest gradient as its scale.

    Source:
        D. P. Kingma, J. Ba, "Adam", ICLR 2015, section 7.1.
    """
    from keras import ops

    m = m + (g - m) * hyper["beta_1_rest"]
    u = ops.maximum(hyper["beta_2"] * u, ops.abs(g))
    change = hyper["learning_rate"] * m / (now["correction"] * (u + hyper["epsilon"]))
    return w - change, m, u


def _rmsprop(w: Any, g: Any, v: Any, hyper: Any, now: Any) -> tuple[Any, ...]:
    """Steps divided by a running mean of gradient sizes.

    Source:
        T. Tieleman, G. Hinton, Lecture 6.5, "Neural Networks for Machine Learning",
        2012.
    """
    from keras import ops

    v = hyper["rho"] * v + hyper["rho_rest"] * ops.square(g)
    return w - hyper["learning_rate"] * g / ops.sqrt(v + EPSILON), v


def _adagrad(w: Any, g: Any, total: Any, hyper: Any, now: Any) -> tuple[Any, ...]:
    """Steps divided by the sum of gradient sizes so far.

    Source:
        J. Duchi, E. Hazan, Y. Singer, "Adaptive Subgradient Methods for Online
        Learning and Stochastic Optimization", JMLR 12, 2011.
    """
    from keras import ops

    total = total + ops.square(g)
    return w - hyper["learning_rate"] * g / ops.sqrt(total + EPSILON), total

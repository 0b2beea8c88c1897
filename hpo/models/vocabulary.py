"""The hyperparameters of `sklearn-mlp` and `keras-mlp`, described once for both.

It owns their names, kinds, defaults, ranges and meanings, and says whether one value
can be used. It trains nothing; `hpo.models.checks` judges whole spaces by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hpo.errors import one_of
from hpo.records import ParamValue, Task

SKLEARN = "sklearn-mlp"
KERAS = "keras-mlp"
MAX_LAYERS = 64
MAX_SEED = 2**32 - 1


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One hyperparameter of the networks.

    Args:
        name: What a space calls it.
        kind: What its values are.
        meaning: One line for help and documentation.
        default: Its value where params do not have it; None means none.
        low: Least number, or None; excluded if ``low_open``.
        high: Greatest number, or None; excluded if ``high_open``.
        low_open: Whether ``low`` itself is refused.
        high_open: Whether ``high`` itself is refused.
        choices: Texts that both families know.
        keras_choices: Texts that only `keras-mlp` knows besides.
        optional: Whether None is a value too.
        families: Who has it.
        task: The only task it is for, or None for both.
    """

    name: str
    kind: Literal["int", "float", "bool", "choice"]
    meaning: str
    default: ParamValue = None
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    choices: tuple[str, ...] = ()
    keras_choices: tuple[str, ...] = ()
    optional: bool = False
    families: tuple[str, ...] = (SKLEARN, KERAS)
    task: Task | None = None

    def choices_of(self, family: str) -> tuple[str, ...]:
        """Return the texts that ``family`` knows."""
        return self.choices + (self.keras_choices if family == KERAS else ())

    def why_not(self, value: ParamValue, family: str) -> str | None:
        """Say why ``value`` cannot be used, or None if it can."""
        if value is None and self.optional:
            return None
        if self.kind == "bool":
            right = isinstance(value, bool)
            return None if right else f"expected true or false; got {value!r}"
        if self.kind == "choice":
            return self._why_no_choice(value, family)
        return self._why_no_number(value)

    def _why_no_choice(self, value: ParamValue, family: str) -> str | None:
        if value in self.choices_of(family):
            return None
        refusal = one_of(value, self.choices_of(family))
        if value in self.keras_choices:
            return f"{family} has no {self.name} {value!r}; {KERAS} has it; {refusal}"
        return refusal

    def _why_no_number(self, value: ParamValue) -> str | None:
        whole = self.kind == "int"
        kind = "a whole number" if whole else "a number"
        if isinstance(value, bool) or not isinstance(value, int | float):
            hint = " or null" if self.optional else ""
            return f"expected {kind}{hint}; got {value!r}"
        if whole and value != int(value):
            return f"expected {kind}; got {value!r}"
        low, high = self.low, self.high
        if low is not None and (value < low or (self.low_open and value == low)):
            bound = "above" if self.low_open else "at least"
            return f"must be {bound} {low:g}; got {value!r}"
        if high is not None and (value > high or (self.high_open and value == high)):
            bound = "below" if self.high_open else "at most"
            return f"must be {bound} {high:g}; got {value!r}"
        return None


_INITIALIZERS = tuple(
    f"{scheme}_{shape}"
    for scheme in ("glorot", "he", "lecun")
    for shape in ("uniform", "normal")
)

VOCABULARY: tuple[Entry, ...] = (
    Entry(
        name="hidden_layers",
        kind="int",
        default=1,
        low=0,
        high=MAX_LAYERS,
        meaning="number of hidden layers; 0 is a linear model",
    ),
    Entry(
        name="units",
        kind="int",
        default=64,
        low=1,
        meaning="neurons of a hidden layer; `repeat: hidden_layers` gives each its own",
    ),
    Entry(
        name="activation",
        kind="choice",
        default="relu",
        choices=("relu", "tanh", "sigmoid", "linear"),
        keras_choices=("leaky_relu", "elu", "gelu", "selu", "silu", "softplus"),
        meaning="activation of the hidden layers",
    ),
    Entry(
        name="l2",
        kind="float",
        default=0.0,
        low=0,
        meaning="times the sum of squared weights (no biases), added to the mean loss",
    ),
    Entry(
        name="optimizer",
        kind="choice",
        default="adam",
        choices=("adam", "sgd"),
        keras_choices=("rmsprop", "nadam", "adamax", "adagrad"),
        meaning="rule of the weight updates",
    ),
    Entry(
        name="learning_rate",
        kind="float",
        default=0.001,
        low=0,
        low_open=True,
        meaning="step size of the weight updates, constant over the epochs",
    ),
    Entry(
        name="momentum",
        kind="float",
        default=0.9,
        low=0,
        high=1,
        high_open=True,
        meaning="momentum of sgd; other optimizers have none",
    ),
    Entry(
        name="nesterov",
        kind="bool",
        default=False,
        meaning="Nesterov's momentum, for sgd",
    ),
    Entry(
        name="batch_size",
        kind="int",
        default=32,
        low=1,
        meaning="rows of one weight update; at most the training rows",
    ),
    Entry(
        name="epochs",
        kind="int",
        default=50,
        low=1,
        meaning="passes over the training rows; at most so many with patience",
    ),
    Entry(
        name="patience",
        kind="int",
        low=1,
        optional=True,
        meaning="epochs without a better loss on 10 % of the training rows, then stop",
    ),
    Entry(
        name="scale",
        kind="choice",
        default="standard",
        choices=("standard", "minmax", "none"),
        meaning="scaling of numeric features, fitted on the training rows",
    ),
    Entry(
        name="random_state",
        kind="int",
        low=0,
        high=MAX_SEED,
        optional=True,
        meaning="seed of initial weights, shuffling and dropout instead of the study's",
    ),
    Entry(
        name="l1",
        kind="float",
        default=0.0,
        low=0,
        families=(KERAS,),
        meaning="times the sum of absolute weights (no biases), added to the mean loss",
    ),
    Entry(
        name="dropout",
        kind="float",
        default=0.0,
        low=0,
        high=1,
        high_open=True,
        families=(KERAS,),
        meaning="share of each hidden layer's outputs dropped in training",
    ),
    Entry(
        name="batch_norm",
        kind="bool",
        default=False,
        families=(KERAS,),
        meaning="batch normalisation before each hidden activation",
    ),
    Entry(
        name="initializer",
        kind="choice",
        default="glorot_uniform",
        choices=_INITIALIZERS,
        families=(KERAS,),
        meaning="distribution of the initial weights",
    ),
    Entry(
        name="output_activation",
        kind="choice",
        default="linear",
        choices=("linear", "relu", "softplus", "sigmoid", "tanh"),
        families=(KERAS,),
        task="regression",
        meaning="activation of the output in regression",
    ),
)

ENTRIES = {entry.name: entry for entry in VOCABULARY}


def names_of(family: str) -> tuple[str, ...]:
    """Return the names of the hyperparameters that ``family`` has."""
    return tuple(entry.name for entry in VOCABULARY if family in entry.families)


def defaults(family: str, task: Task) -> dict[str, ParamValue]:
    """Return the default of each hyperparameter of ``family`` that has one."""
    return {
        entry.name: entry.default
        for entry in VOCABULARY
        if family in entry.families
        and entry.default is not None
        and entry.task in (None, task)
    }

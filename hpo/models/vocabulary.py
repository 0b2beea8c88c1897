"""The hyperparameters of `sklearn-mlp` and `keras-mlp`, described once for both.

It owns their names, kinds, defaults, ranges and meanings. It trains nothing; an `Entry`
judges one value, and `hpo.models.checks` whole spaces.
"""

from __future__ import annotations

from hpo.models.entry import KERAS as KERAS
from hpo.models.entry import SKLEARN as SKLEARN
from hpo.models.entry import Entry as Entry
from hpo.records import ParamValue, Task

MAX_LAYERS = 64
MAX_SEED = 2**32 - 1

GRADUAL = ("adam", "sgd", "rmsprop", "nadam", "adamax", "adagrad")
"""Optimizers that go batch by batch; lbfgs takes all rows at once, at its own pace."""
ADAMS = ("adam", "nadam", "adamax")
LBFGS = "lbfgs"

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
        sklearn_choices=(LBFGS,),
        meaning="rule of the weight updates; sklearn-mlp has lbfgs too",
    ),
    Entry(
        name="learning_rate",
        kind="float",
        default=0.001,
        low=0,
        low_open=True,
        optimizers=GRADUAL,
        meaning="step size of the weight updates, constant over the epochs",
    ),
    Entry(
        name="momentum",
        kind="float",
        default=0.9,
        low=0,
        high=1,
        high_open=True,
        optimizers=("sgd",),
        meaning="momentum of sgd; other optimizers have none",
    ),
    Entry(
        name="nesterov",
        kind="bool",
        default=False,
        optimizers=("sgd",),
        meaning="Nesterov's momentum, for sgd",
    ),
    Entry(
        name="beta_1",
        kind="float",
        default=0.9,
        low=0,
        high=1,
        high_open=True,
        optimizers=ADAMS,
        meaning="decay of the mean gradient, for adam, nadam and adamax",
    ),
    Entry(
        name="beta_2",
        kind="float",
        default=0.999,
        low=0,
        high=1,
        high_open=True,
        optimizers=ADAMS,
        meaning="decay of the gradient's size, for adam, nadam and adamax",
    ),
    Entry(
        name="epsilon",
        kind="float",
        low=0,
        low_open=True,
        optimizers=ADAMS,
        meaning="added to the divisor of a step, for adam, nadam and adamax; "
        "without it 1e-7 in keras-mlp, 1e-8 in sklearn-mlp",
    ),
    Entry(
        name="rho",
        kind="float",
        default=0.9,
        low=0,
        high=1,
        high_open=True,
        families=(KERAS,),
        optimizers=("rmsprop",),
        meaning="decay of the mean squared gradient, for rmsprop",
    ),
    Entry(
        name="batch_size",
        kind="int",
        default=32,
        low=1,
        optimizers=GRADUAL,
        meaning="rows of one weight update; at most the training rows",
    ),
    Entry(
        name="epochs",
        kind="int",
        default=50,
        low=1,
        meaning="passes over the training rows; at most so many with patience or lbfgs",
    ),
    Entry(
        name="patience",
        kind="int",
        low=1,
        optional=True,
        optimizers=GRADUAL,
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
        name="impute",
        kind="choice",
        default="median",
        choices=("median", "mean", "zero"),
        meaning="what a missing number becomes: of the training rows, or 0",
    ),
    Entry(
        name="select_k",
        kind="int",
        low=1,
        optional=True,
        meaning="keep the best k prepared features of the training rows; null for all",
    ),
    Entry(
        name="select_by",
        kind="choice",
        default="f_test",
        choices=("f_test", "mutual_info"),
        meaning="how select_k judges a feature: F-test (linear) or mutual information",
    ),
    Entry(
        name="target_scale",
        kind="choice",
        default="standard",
        choices=("standard", "minmax", "none"),
        task="regression",
        meaning="scaling of the targets in training; undone in predictions and scores",
    ),
    Entry(
        name="class_weight",
        kind="choice",
        choices=("balanced",),
        optional=True,
        task="classification",
        meaning="balanced: rows of rare classes count more in training, not in scores",
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

PIPELINE = (
    "scale",
    "impute",
    "select_k",
    "select_by",
    "target_scale",
    "class_weight",
)
"""Hyperparameters of every family: what is done around the model, not by it."""


def names_of(family: str) -> tuple[str, ...]:
    """Return the names of the hyperparameters that ``family`` has."""
    return tuple(entry.name for entry in VOCABULARY if family in entry.families)


def pipeline_defaults(task: Task, *, target_scale: str) -> dict[str, ParamValue]:
    """Return the default of each of `PIPELINE` that has one.

    Args:
        task: The task of the study.
        target_scale: The default of the family's own, in regression.
    """
    shared = {
        name: ENTRIES[name].default
        for name in PIPELINE
        if ENTRIES[name].default is not None and ENTRIES[name].task in (None, task)
    }
    if "target_scale" in shared:
        shared["target_scale"] = target_scale
    return shared


def defaults(family: str, task: Task) -> dict[str, ParamValue]:
    """Return the default of each hyperparameter of ``family`` that has one."""
    return {
        entry.name: entry.default
        for entry in VOCABULARY
        if family in entry.families
        and entry.default is not None
        and entry.task in (None, task)
    }

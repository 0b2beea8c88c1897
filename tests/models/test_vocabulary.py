"""The hyperparameters both MLP families share, and the mistakes a space can make."""

from __future__ import annotations

import pytest

from hpo.models import get_family
from hpo.models.settings import Settings
from hpo.models.vocabulary import VOCABULARY, names_of
from hpo.space import Categorical, Float, Int, Space


def told(family, task="classification", /, **space):
    problems = get_family(family).problems(Space(**space), task)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("family", "space", "expected"),
    [
        (
            "keras-mlp",
            {"dropuot": 0.1},
            "dropuot: keras-mlp has no hyperparameter 'dropuot'; "
            "did you mean 'dropout'?",
        ),
        (
            "sklearn-mlp",
            {"dropout": 0.1},
            "dropout: sklearn-mlp has no hyperparameter 'dropout'; keras-mlp has it",
        ),
        ("keras-mlp", {"units": Int(0, 8)}, "units: must be at least 1; got 0"),
        ("keras-mlp", {"units": [8, 0]}, "units: must be at least 1; got 0"),
        (
            "keras-mlp",
            {"hidden_layers": 65},
            "hidden_layers: must be at most 64; got 65",
        ),
        (
            "keras-mlp",
            {"learning_rate": Float(0, 0.1)},
            "learning_rate: must be above 0; got 0",
        ),
        ("keras-mlp", {"dropout": Float(0, 1)}, "dropout: must be below 1; got 1"),
        ("sklearn-mlp", {"momentum": 1.0}, "momentum: must be below 1; got 1.0"),
        ("sklearn-mlp", {"l2": -1e-3}, "l2: must be at least 0; got -0.001"),
        (
            "keras-mlp",
            {"batch_norm": ["yes"]},
            "batch_norm: expected true or false; got 'yes'",
        ),
        ("keras-mlp", {"epochs": 2.5}, "epochs: expected a whole number; got 2.5"),
        (
            "keras-mlp",
            {"patience": "3"},
            "patience: expected a whole number or null; got '3'",
        ),
        (
            "keras-mlp",
            {"units": Float(16, 64)},
            "units: expected whole numbers; write {int: [low, high]}; got {float: ...}",
        ),
        (
            "keras-mlp",
            {"activation": ["rleu"]},
            "activation: expected one of relu, tanh, sigmoid, linear, leaky_relu, elu, "
            "gelu, selu, silu, softplus; got 'rleu'; did you mean 'relu'?",
        ),
        (
            "sklearn-mlp",
            {"optimizer": "nadam"},
            "optimizer: sklearn-mlp has no optimizer 'nadam'; keras-mlp has it; "
            "expected one of adam, sgd, lbfgs; got 'nadam'; did you mean 'adam'?",
        ),
        (
            "keras-mlp",
            {"optimizer": "lbfgs", "patience": 5},
            "optimizer: keras-mlp has no optimizer 'lbfgs'; sklearn-mlp has it; "
            "expected one of adam, sgd, rmsprop, nadam, adamax, adagrad; got 'lbfgs'",
        ),
        (
            "sklearn-mlp",
            {"rho": 0.9},
            "rho: sklearn-mlp has no hyperparameter 'rho'; keras-mlp has it",
        ),
        ("keras-mlp", {"beta_1": 1.0}, "beta_1: must be below 1; got 1.0"),
        ("keras-mlp", {"epsilon": 0.0}, "epsilon: must be above 0; got 0.0"),
        (
            "keras-mlp",
            {"output_activation": "relu"},
            "output_activation: is for regression only; in classification the output "
            "follows from the classes",
        ),
        (
            "keras-mlp",
            {"hidden_layers": Int(0, 2), "units_2": 8},
            "units_2: is the width of layer 3, and hidden_layers is at most 2",
        ),
        (
            "keras-mlp",
            {
                "hidden_layers": Int(1, 2),
                "dropout": Float(0, 0.5, repeat="hidden_layers"),
            },
            "dropout: only units can have one value for each layer "
            "(`repeat: hidden_layers`); got `repeat: hidden_layers`",
        ),
    ],
)
def test_a_mistake_is_told_with_a_way_out(family, space, expected):
    assert told(family, **space) == [expected]


@pytest.mark.parametrize(
    ("family", "space", "expected"),
    [
        (
            "keras-mlp",
            {"momentum": Float(0, 0.9)},
            "momentum: has no effect with optimizer adam; only sgd reads it: add sgd "
            "to the choices of optimizer, and `when: {optimizer: sgd}` here, or remove "
            "it",
        ),
        (
            "sklearn-mlp",
            {"beta_1": [0.8, 0.9], "optimizer": "sgd"},
            "beta_1: has no effect with optimizer sgd; only adam reads it: add adam "
            "to the choices of optimizer, and `when: {optimizer: adam}` here, or "
            "remove it",
        ),
        (
            "keras-mlp",
            {
                "optimizer": ["sgd", "adam", "rmsprop"],
                "epsilon": Float(
                    1e-9, 1e-3, log=True, when={"optimizer": ["sgd", "rmsprop"]}
                ),
            },
            "epsilon: has no effect with optimizer rmsprop or sgd; only adam, nadam, "
            "adamax read it: add one of them to the choices of optimizer, and "
            "`when: {optimizer: [adam, nadam, adamax]}` here, or remove it",
        ),
        (
            "sklearn-mlp",
            {"optimizer": "lbfgs", "batch_size": [16, 32]},
            "batch_size: has no effect with optimizer lbfgs; only adam, sgd read it: "
            "add one of them to the choices of optimizer, and "
            "`when: {optimizer: [adam, sgd]}` here, or remove it",
        ),
        (
            # Active where `units` is, which is where the optimizer is adam.
            "keras-mlp",
            {
                "optimizer": ["adam", "sgd"],
                "units": Categorical((8, 16), when={"optimizer": "adam"}),
                "momentum": Float(0, 0.9, when={"units": 16}),
            },
            "momentum: has no effect with optimizer adam; only sgd reads it: add sgd "
            "to the choices of optimizer, and `when: {optimizer: sgd}` here, or remove "
            "it",
        ),
        (
            "sklearn-mlp",
            {"optimizer": "lbfgs", "patience": 5},
            "patience: lbfgs cannot stop early; remove it",
        ),
        (
            "sklearn-mlp",
            {"optimizer": ["lbfgs", "sgd", "adam"], "patience": [None, 5]},
            "patience: lbfgs cannot stop early; add `when: {optimizer: [adam, sgd]}` "
            "or remove it",
        ),
    ],
)
def test_what_is_searched_in_vain_is_told(family, space, expected):
    assert told(family, **space) == [expected]


@pytest.mark.parametrize(
    "space",
    [
        {"momentum": 0.5, "beta_1": 0.8, "optimizer": "rmsprop"},
        {"momentum": Float(0, 0.9), "optimizer": ["adam", "sgd"]},
        {"beta_1": Float(0, 0.9), "epsilon": 1e-6},
        {"rho": Float(0.5, 0.9), "optimizer": "rmsprop"},
        # Without an optimizer of its own a network has adam.
        {
            "hidden_layers": [1, 2],
            "optimizer": Categorical(("sgd",), when={"hidden_layers": 2}),
            "beta_2": Float(0.5, 0.9),
        },
    ],
)
def test_a_constant_without_effect_and_what_some_optimizer_reads_are_fine(space):
    assert told("keras-mlp", **space) == []


def test_lbfgs_beside_conditions_and_constants_is_right():
    gradual = {"optimizer": ["adam", "sgd"]}
    space = {
        "optimizer": ["adam", "sgd", "lbfgs"],
        "learning_rate": Float(1e-4, 1e-1, log=True, when=gradual),
        "patience": Categorical((5,), when=gradual),
        "batch_size": 16,
        "l2": Float(0, 0.1),
    }
    assert told("sklearn-mlp", **space) == []
    assert told("sklearn-mlp", optimizer="lbfgs", patience=None) == []


def test_both_ends_of_a_range_are_checked_and_all_mistakes_told():
    assert told("keras-mlp", dropout=Float(-0.5, 1.5), l1=-1, l3=0) == [
        "dropout: must be at least 0; got -0.5",
        "dropout: must be below 1; got 1.5",
        "l1: must be at least 0; got -1",
        "l3: keras-mlp has no hyperparameter 'l3'",
    ]


@pytest.mark.parametrize("family", ["sklearn-mlp", "keras-mlp"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_defaults_of_a_family_are_a_right_space_for_it(family, task):
    defaults = get_family(family).defaults(task)
    assert told(family, task, **defaults) == []
    assert ("output_activation" in defaults) == (
        task == "regression" and family == "keras-mlp"
    )
    assert "patience" not in defaults


def test_a_space_of_both_families_is_right_for_both():
    space = {
        "hidden_layers": Int(0, 3),
        "units": Int(16, 256, log=True, repeat="hidden_layers"),
        "activation": ["relu", "tanh", "sigmoid", "linear"],
        "optimizer": ["adam", "sgd"],
        "momentum": Float(0.0, 0.99, when={"optimizer": "sgd"}),
        "learning_rate": Float(1e-4, 1e-1, log=True),
        "patience": Categorical((None, 5)),
        "batch_size": Int(10, 100, step=20),
    }
    assert told("sklearn-mlp", **space) == told("keras-mlp", **space) == []


def test_every_entry_has_a_meaning_and_belongs_to_some_family():
    names = {*names_of("sklearn-mlp"), *names_of("keras-mlp")}
    assert names == {entry.name for entry in VOCABULARY}
    assert all(entry.meaning for entry in VOCABULARY)


def test_a_width_of_its_own_goes_before_the_common_one():
    settings = Settings.of({"hidden_layers": 3, "units_1": 7, "units": 9})
    assert settings.widths == (9, 7, 9)
    assert Settings.of({"hidden_layers": 2}).widths == (64, 64)
    assert Settings.of({"hidden_layers": 0, "units": 9}).widths == ()

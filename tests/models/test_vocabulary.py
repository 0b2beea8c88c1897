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
            "expected one of adam, sgd; got 'nadam'; did you mean 'adam'?",
        ),
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

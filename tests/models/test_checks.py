"""Mistakes in what every family shares: preprocessing, target scale, class weights."""

from __future__ import annotations

import pytest

from hpo.models import get_family
from hpo.models.checks import pipeline_problems
from hpo.models.effects import without_effect
from hpo.models.vocabulary import ENTRIES, PIPELINE
from hpo.space import Categorical, Float, Int, Space

CLASSIFIER = "sklearn.ensemble.RandomForestClassifier"
REGRESSOR = "sklearn.ensemble.RandomForestRegressor"


def told(family, task, /, **space):
    problems = get_family(family).problems(Space(**space), task)
    return [str(problem) for problem in problems]


def of_task(family, task):
    """The family itself, or the forest for this task."""
    forests = {"classification": CLASSIFIER, "regression": REGRESSOR}
    return forests[task] if family == "forest" else family


FAMILIES = pytest.mark.parametrize("family", ["sklearn-mlp", "keras-mlp", "forest"])


@FAMILIES
def test_every_family_takes_them(family):
    shared = {
        "scale": ["standard", "minmax", "none"],
        "impute": ["median", "mean", "zero"],
        "select_k": Int(1, 20),
        "select_by": ["f_test", "mutual_info"],
    }
    for task, own in (
        ("regression", {"target_scale": ["standard", "minmax", "none"]}),
        ("classification", {"class_weight": Categorical((None, "balanced"))}),
    ):
        assert told(of_task(family, task), task, **shared, **own) == []
    optional = Categorical((None, 5))
    assert told(of_task(family, "regression"), "regression", select_k=optional) == []


@FAMILIES
@pytest.mark.parametrize(
    ("task", "space", "expected"),
    [
        (
            "regression",
            {"impute": "meen"},
            "impute: expected one of median, mean, zero; got 'meen'; "
            "did you mean 'mean'?",
        ),
        ("regression", {"select_k": Int(0, 9)}, "select_k: must be at least 1; got 0"),
        (
            "regression",
            {"select_k": "all"},
            "select_k: expected a whole number or null; got 'all'",
        ),
        (
            "regression",
            {"select_k": Float(1, 9)},
            "select_k: expected whole numbers; write {int: [low, high]}; "
            "got {float: ...}",
        ),
        (
            "regression",
            {"target_scale": ["standart"]},
            "target_scale: expected one of standard, minmax, none; got 'standart'; "
            "did you mean 'standard'?",
        ),
        (
            "classification",
            {"target_scale": "none"},
            "target_scale: is for regression only; the task is classification",
        ),
    ],
)
def test_a_mistake_is_told_with_a_way_out(family, task, space, expected):
    assert told(of_task(family, task), task, **space) == [expected]


@pytest.mark.parametrize("family", ["sklearn-mlp", "keras-mlp"])
def test_class_weights_are_for_classes(family):
    assert told(family, "regression", class_weight="balanced") == [
        "class_weight: is for classification only; the task is regression"
    ]
    assert told(family, "classification", class_weight="balance") == [
        "class_weight: expected one of balanced, null; got 'balance'; "
        "did you mean 'balanced'?"
    ]


def test_a_hyperparameter_of_all_layers_has_no_value_for_each():
    space = Space(hidden_layers=2, select_k=Int(1, 9, repeat="hidden_layers"))
    (problem,) = pipeline_problems("any", space, None)
    assert problem.where == "select_k"


@pytest.mark.parametrize("scale", ["standard", ["none", "standard"]])
def test_a_standardised_target_is_refused_where_no_output_could_reach_it(scale):
    (refusal,) = told(
        "keras-mlp", "regression", target_scale=scale, output_activation="relu"
    )
    assert refusal == (
        "target_scale: standard gives targets on both sides of 0, and most are out of "
        "reach of output_activation: relu; use minmax or none"
    )


@pytest.mark.parametrize(
    "space",
    [
        {"target_scale": "minmax", "output_activation": "sigmoid"},
        {"target_scale": "standard", "output_activation": "linear"},
        {"target_scale": "standard", "output_activation": ["linear", "relu"]},
        {"output_activation": "softplus"},
    ],
)
def test_a_target_that_the_output_may_reach_is_not_refused(space):
    assert told("keras-mlp", "regression", **space) == []


def test_what_a_family_keeps_is_left_to_it():
    space = Space(class_weight="strange", scale="strange", units="strange")
    (problem,) = pipeline_problems("any", space, None, keeps=("class_weight",))
    assert problem.where == "scale"


def test_the_shared_names_are_in_the_vocabulary():
    assert set(PIPELINE) <= set(ENTRIES)
    defaults = {name: ENTRIES[name].default for name in PIPELINE}
    assert defaults == {
        "scale": "standard",
        "impute": "median",
        "select_k": None,
        "select_by": "f_test",
        "target_scale": "standard",
        "class_weight": None,
    }


@pytest.mark.parametrize("family", ["keras-mlp", "sklearn-mlp"])
def test_a_range_of_optimizers_is_refused_without_looking_at_every_number(family):
    space = Space(optimizer=Int(0, 9 * 10**15), momentum=Float(0, 0.9))
    wrong = {problem.where for problem in get_family(family).problems(space, None)}
    assert wrong == {"optimizer"}


def test_conditions_that_meet_again_and_again_are_followed_once():
    # Each level depends on both of the level before: 2**40 ways lead to the optimizer.
    levels = {"a0": Categorical(["x"], when={"optimizer": "sgd"})}
    levels["b0"] = levels["a0"]
    for level in range(1, 40):
        when = {f"a{level - 1}": "x", f"b{level - 1}": "x"}
        levels[f"a{level}"] = levels[f"b{level}"] = Categorical(["x"], when=when)
    space = Space(
        optimizer=["sgd", "adam"],
        beta_1=Float(0.5, 0.9, when={"a39": "x"}),
        **levels,
    )
    wrong = {p.where for p in without_effect("keras-mlp", space)}
    assert wrong == {"beta_1"}

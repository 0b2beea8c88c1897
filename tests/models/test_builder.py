"""Builders of users: what is refused before anything runs, and what they are told."""

from __future__ import annotations

import re
import sys

import pytest
from builder_samples import SKLEARN, TASKS, fit, info

from hpo.errors import SpecError, TrialError
from hpo.models import get_family
from hpo.models.builder import OWN_NAMES, Builder, DataInfo
from hpo.models.builder_info import ReadParams
from hpo.space import Categorical, Float, Int, Space
from hpo.user_code import Home


def told(family, task="classification", /, **space):
    return [str(problem) for problem in family.problems(Space(**space), task)]


# --- the space ----------------------------------------------------------------------


def test_names_of_the_builder_are_let_through_and_nothing_is_imported(code):
    family = code.family("raise SystemExit('imported')")
    assert told(family, dense=["small", "big"], depth=Int(1, 9), rate=Float(0, 1)) == []
    assert not any(name.startswith(code.label) for name in sys.modules)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"batch_size": Int(0, 8)}, "batch_size: must be at least 1; got 0"),
        ({"epochs": Float(1, 9)}, "epochs: expected whole numbers"),
        (
            {"optimizer": ["adam", "lbfgs"]},
            "optimizer: expected one of adam, .*'lbfgs'",
        ),
        ({"momentum": Float(0, 1)}, "momentum: must be below 1; got 1 .it is moment"),
        ({"scale": ["standrad"]}, "scale: expected .*did you mean 'standard'"),
        ({"target_scale": "standard"}, "target_scale: is for regression only"),
        (
            {"layers": 2, "epochs": Int(1, 2, repeat="layers")},
            "epochs: .*repeat: layers",
        ),
    ],
)
def test_a_name_with_a_meaning_of_its_own_is_checked(code, space, message):
    (problem,) = told(code.family(SKLEARN), **space)
    assert re.match(message, problem), problem


def test_a_module_that_is_not_there_is_told_at_the_model(code):
    code.write(SKLEARN)
    (problem,) = told(Builder(f"{code.label}_2:build", code.home))
    assert problem.startswith(f"model: there is no {code.label}_2.py beside the study")
    (problem,) = told(Builder("os:system", code.home))
    assert "--allow-module os" in problem
    (problem,) = told(Builder("network:", code.home))
    assert "expected module:function" in problem


def test_defaults_are_those_of_the_names_with_a_meaning_of_their_own(code):
    family = code.family(SKLEARN)
    defaults = family.defaults("regression")
    assert set(defaults) <= set(OWN_NAMES)
    assert defaults["batch_size"] == 32
    assert defaults["scale"] == "standard"
    assert defaults["target_scale"] == "none"
    assert "target_scale" not in family.defaults("classification")


def test_a_name_with_a_colon_is_a_builder():
    family = get_family("network:build", home=Home())
    assert isinstance(family, Builder)
    assert family.name == "network:build"
    assert family.takes_arrays


# --- the module ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_library", r"imported: user_\w+.py:1: ModuleNotFound"),
        ("x = 1\ndef build(:\n", "cannot be imported: .*SyntaxError"),
        ("def make(params, data): ...", "has no function 'build'"),
        ("def build(params): ...", r"expected build\(params, data\); got build\("),
        ("build = 3", "expected a function"),
    ],
)
def test_a_module_that_cannot_be_used_is_told_when_a_worker_warms_up(
    code, text, message
):
    with pytest.raises(SpecError, match=message) as error:
        code.family(text).warm_up()
    assert [problem.where for problem in error.value.problems] == ["model"]


# --- what a builder returns ---------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("pass", "returned nothing; does it end with return"),
        ("return 3", "returned int; expected a keras.Model or a scikit-learn"),
        ("return SVC", r"returned the class SVC; .*: call it, SVC\(\)"),
        ("return SVR()", "returned SVR, which is no classifier, and the task is class"),
        ("return 1 / 0", r"user_\w+.py:5: ZeroDivisionError: division by zero"),
        ("return params['unit']", "KeyError: 'unit' is not in params; .*'units'"),
        ("return params['x']", "KeyError: 'x' is not in params; if its `when`"),
        ("return {}['units']", "KeyError: 'units'$"),
        ("raise MemoryError", "memory ran out"),
        ("return SVC(C=-1)", r"build in fit: InvalidParameterError: .* Got -1"),
    ],
)
def test_what_goes_wrong_in_a_builder_is_told_on_one_line(code, body, message):
    family = code.family(
        f"""
        from sklearn.svm import SVC, SVR

        def build(params, data):
            {body}
        """
    )
    with pytest.raises(TrialError, match=message) as error:
        fit(family, "multiclass", units=8)
    assert "\n" not in str(error.value)
    assert error.value.kind == ("memory" if "Memory" in body else "error")


def test_a_model_that_is_returned_twice_is_refused(code):
    family = code.family(
        """
        from sklearn.svm import SVC

        model = SVC()

        def build(params, data):
            return model
        """
    )
    fit(family, "multiclass")
    with pytest.raises(TrialError, match="the model of another fit"):
        fit(family, "multiclass")


def test_a_builder_cannot_change_the_params_of_the_trial(code):
    family = code.family(SKLEARN.replace("params.get", "params.pop"))
    first = fit(family, "multiclass", trees=3)
    again = fit(family, "multiclass", trees=3)
    assert len(first.model.estimator.estimators_) == 3
    assert len(again.model.estimator.estimators_) == 3


# --- what a builder is told ---------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "shape", "units", "activation", "loss"),
    [
        ("binary", (4,), 1, "sigmoid", "binary_crossentropy"),
        ("multiclass", (4,), 3, "softmax", "sparse_categorical_crossentropy"),
        ("regression", (10,), 1, "linear", "mean_squared_error"),
        ("two targets", (10,), 2, "linear", "mean_squared_error"),
        ("images", (8, 8), 10, "softmax", "sparse_categorical_crossentropy"),
    ],
)
def test_the_last_layer_follows_from_the_task(task, shape, units, activation, loss):
    data = info(task)
    assert data.feature_shape == shape
    assert data.output_units == units
    assert (data.output_activation, data.loss) == (activation, loss)
    assert data.n_rows == len(TASKS[task][0])
    assert data.n_features == TASKS[task][0][0].size


def test_data_cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot assign"):
        DataInfo((2,), "regression").n_rows = 3


def star(**named):
    return named


@pytest.mark.parametrize(
    ("use", "read"),
    [
        (lambda params: params["a"], {"a"}),
        (lambda params: params.get("b"), {"b"}),
        (lambda params: params.pop("b", None), {"b"}),
        (lambda params: "a" in params, set()),
        (lambda params: len(params), set()),
        (lambda params: list(params), set()),
        (lambda params: star(**params), {"a", "b"}),
        (lambda params: dict(params), {"a", "b"}),
        (lambda params: {**params}, {"a", "b"}),
        (lambda params: params.copy(), {"a", "b"}),
        (lambda params: [v for _, v in params.items()], {"a", "b"}),
        (lambda params: list(params.values()), {"a", "b"}),
        (lambda params: params | {"c": 1}, {"a", "b"}),
    ],
)
def test_params_remember_what_was_read(use, read):
    params = ReadParams({"a": 1, "b": 2})
    again = params.again()
    use(again)
    assert params.read & {"a", "b"} == read
    assert params == {"a": 1, "b": 2}


def test_choices_of_a_categorical_are_checked_one_by_one(code):
    problems = told(code.family(SKLEARN), batch_size=Categorical([0, 8, -1]))
    assert len(problems) == 2

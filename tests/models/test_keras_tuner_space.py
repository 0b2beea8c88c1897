"""Keras Tuner's hyperparameters and a space's are the same, judged by Keras Tuner."""

from __future__ import annotations

import keras_tuner
import numpy as np
import pytest

import hpo
from hpo.errors import SpecError
from hpo.models.keras_tuner_space import RESERVED, values_of
from hpo.space import Categorical, Float, Int, Space
from hpo.space.from_keras_tuner import from_keras_tuner
from hpo.space.keras_tuner_exploration import Explorer
from hpo.space.keras_tuner_kinds import LEVELS
from hpo.space.keras_tuner_reading import original_values, read

pytestmark = pytest.mark.keras


def container(*asked):
    """Return a container that was asked for hyperparameters: (kind, arguments)."""
    hp = keras_tuner.HyperParameters()
    for kind, *arguments, options in asked:
        getattr(hp, kind)(*arguments, **options)
    return hp


def space_of(build):
    return Space(**from_keras_tuner(build).declared)


FINITE = [
    ("Int", "x", 3, 9, {}),
    ("Int", "x", 6, 13, {"step": 3}),
    ("Int", "x", 5, 5, {}),
    ("Int", "x", 2, 40, {"step": 2, "sampling": "log"}),
    ("Int", "x", 10, 1000, {"step": 10, "sampling": "log"}),
    ("Int", "x", 1, 100, {"step": 3, "sampling": "reverse_log"}),
    ("Int", "x", 4, 20, {"sampling": "log"}),
    ("Float", "x", 0, 0.5, {"step": 0.1}),
    ("Float", "x", 0, 1, {"step": 0.25}),
    ("Float", "x", 0.1, 0.75, {"step": 0.2}),
    ("Float", "x", 0.001, 10, {"step": 10, "sampling": "log"}),
    ("Float", "x", 0.1, 0.9, {"step": 2, "sampling": "reverse_log"}),
    ("Choice", "x", ["relu", "tanh"], {}),
    ("Choice", "x", [32, 8, 16], {"ordered": False}),
    ("Choice", "x", [0.5, 0.1], {}),
    ("Choice", "x", [True, False], {}),
    ("Boolean", "x", {}),
    ("Fixed", "x", 3, {}),
    ("Fixed", "x", "a", {}),
]


def own_values(hyperparameter):
    """Return every value that Keras Tuner draws, by drawing all over its scale."""
    shares = (np.arange(20_000) + 0.5) / 20_000
    return {hyperparameter.prob_to_value(float(share)) for share in shares}


@pytest.mark.parametrize("asked", FINITE, ids=str)
def test_a_finite_hyperparameter_has_exactly_keras_tuners_values_and_types(asked):
    hp = container(asked)
    ours = list(Space.from_keras_tuner(hp).declared["x"].values)
    theirs = own_values(hp.space[0])
    assert set(ours) == theirs
    assert {type(value) for value in ours} == {type(value) for value in theirs}


def test_a_closed_range_ends_where_keras_tuner_ends_it():
    hp = container(("Float", "x", 0, 0.5, {"step": 0.1}))
    # Floor division makes five values of it there; our own 0 to 0.5 has six.
    assert Space.from_keras_tuner(hp).declared["x"] == Categorical(
        (0.0, 0.1, 0.2, 0.30000000000000004, 0.4)
    )


@pytest.mark.parametrize("sampling", ["linear", "log"])
def test_a_range_of_floats_stays_a_range(sampling):
    hp = container(("Float", "x", 1e-4, 1, {"sampling": sampling}))
    assert Space.from_keras_tuner(hp).declared["x"] == Float(
        1e-4, 1.0, log=sampling == "log"
    )


def test_a_reversed_scale_becomes_values_as_dense_as_keras_tuner_draws_them():
    hp = container(("Float", "x", 0.9, 0.999, {"sampling": "reverse_log"}))
    given, choices = (
        hp.space[0],
        np.array(Space.from_keras_tuner(hp).declared["x"].choices),
    )
    assert len(choices) == LEVELS + 1  # and the default
    rng = np.random.default_rng(0)
    drawn = np.array([given.prob_to_value(float(p)) for p in rng.random(20_000)])
    for share in (0.1, 0.5, 0.9):
        # 20,000 draws know a quantile to about 0.0004 here; a choice is 0.0015 wide.
        expected = np.quantile(drawn, share)
        assert np.quantile(choices, share) == pytest.approx(expected, abs=0.003)


def test_whole_numbers_of_a_reversed_scale_are_whole_and_in_range():
    hp = container(("Int", "x", 10, 500, {"sampling": "reverse_log"}))
    choices = Space.from_keras_tuner(hp).declared["x"].choices
    assert set(choices) <= own_values(hp.space[0])
    assert {type(value) for value in choices} == {int}


def layered(hp):
    """Ask as a hypermodel with nested scopes and name scopes does."""
    kind = hp.Choice("kind", ["dense", "conv", "none"])
    with hp.conditional_scope("kind", ["dense", "conv"]):
        if kind in ("dense", "conv"):
            n_layers = hp.Int("n_layers", 1, 3)
            for layer in range(1, 4):
                with hp.conditional_scope("n_layers", list(range(layer, 4))):
                    if n_layers >= layer:
                        with hp.name_scope(f"layer_{layer}"):
                            hp.Int("units", 8, 64, step=8)
    with hp.conditional_scope("kind", ["dense"]):
        if kind == "dense":
            hp.Float("rate", 0, 0.5, step=0.1)
    with hp.conditional_scope("kind", ["none"]):
        if kind == "none":
            hp.Float("rate", 0, 0.5, step=0.1)
            hp.Int("size", 1, 4)
    with hp.conditional_scope("kind", ["conv"]):
        if kind == "conv":
            hp.Int("size", 10, 40)
            if hp.Boolean("pool"):
                hp.Choice(
                    "pool_kind",
                    ["max", "mean"],
                    parent_name="pool",
                    parent_values=[True],
                )
    hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")


def test_every_params_is_what_keras_tuner_holds_active_and_what_build_asks_for():
    space = space_of(layered)
    explorer = Explorer(layered, keras_tuner.HyperParameters)
    explorer.explore()
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        values = original_values(space.sample(rng))
        known = explorer.known.copy()
        known.values = dict(values)
        assert {each.name for each in known.space if known.is_active(each)} == {*values}
        built = keras_tuner.HyperParameters()
        built.values = dict(values)
        layered(built)
        # Nothing was missing, so that it took a default, and nothing was too much.
        assert built.values == values
        asked = {each.name for each in built.space if built.is_active(each)}
        assert asked == {*values}
        seen |= asked
    assert seen == {each.name for each in explorer.known.space}


def test_what_keras_tuner_draws_lies_in_the_space():
    space = space_of(layered)
    explorer = Explorer(layered, keras_tuner.HyperParameters)
    explorer.explore()
    ours = {name for name in space.names if not name.startswith("hp2:")}
    for _ in range(200):
        hp = explorer.known.copy()
        hp.values = {}
        for each in hp.space:  # as its random search does
            if hp.is_active(each):
                hp.values[each.name] = each.random_sample()
        params = {
            name
            if name in ours and not _second(space, name, hp.values)
            else f"hp2:{name}": value
            for name, value in hp.values.items()
        }
        assert space.why_not(params) is None


def _second(space, name, values):
    """Tell whether these values have the second range of a name."""
    when = getattr(space.declared.get(f"hp2:{name}"), "when", None) or {}
    return bool(when) and all(values[parent] == v for parent, v in when.items())


def test_one_name_of_two_ranges_is_two_hyperparameters_of_one_name_there():
    space = space_of(layered)
    assert space.declared["size"] == Int(1, 4, when={"kind": "none"})
    assert space.declared["hp2:size"] == Int(10, 40, when={"kind": "conv"})
    assert original_values({"kind": "conv", "hp2:size": 12})["size"] == 12


def test_one_name_in_two_scopes_is_one_hyperparameter():
    assert space_of(layered).declared["rate"].when == {"kind": ("dense", "none")}


def test_two_ranges_that_can_both_be_active_are_refused():
    def build(hp):
        for name in ("a", "b"):
            hp.Boolean(name)
            with hp.conditional_scope(name, [True]):
                hp.Int("x", 1, 4 if name == "a" else 5)

    with pytest.raises(SpecError, match="x: is asked for with two ranges that can"):
        Space.from_keras_tuner(build)


def test_a_condition_that_is_either_or_is_searched_more_widely_and_says_so():
    def build(hp):
        for name in ("a", "b"):
            hp.Boolean(name)
            with hp.conditional_scope(name, [True]):
                hp.Int("x", 1, 4)

    found = from_keras_tuner(build)
    assert found.declared["x"] == Int(1, 4)
    assert "x is active in several cases" in found.notes[0]


def test_what_a_loop_hides_is_found_and_told():
    def build(hp):
        for layer in range(hp.Int("n_layers", 1, 3)):
            hp.Int(f"units_{layer}", 8, 32, step=8)

    found = from_keras_tuner(build)
    assert list(found.declared) == ["n_layers", "units_0", "units_1", "units_2"]
    (note,) = found.notes
    assert note.startswith("units_1, units_2: asked for only with some values of n_l")


def test_a_scope_hides_nothing():
    assert from_keras_tuner(layered).notes == ()


def test_a_build_that_fails_for_some_values_is_told_once():
    def build(hp):
        if hp.Choice("kind", ["a", "b", "c"]) != "a":
            raise ValueError("no such kind")

    (note,) = from_keras_tuner(build).notes
    assert note == ("it fails with kind='b' (and 1 more): ValueError('no such kind')")


def test_a_build_that_fails_for_its_defaults_fails():
    def build(hp):
        raise ValueError("no such thing")

    with pytest.raises(ValueError, match="no such thing"):
        from_keras_tuner(build)


def test_the_number_of_builds_is_limited():
    calls = []

    def build(hp):
        calls.append(1)
        for place in range(30):
            hp.Choice(f"c{place}", list("abcd"))

    explorer = Explorer(build, keras_tuner.HyperParameters, max_builds=12)
    explorer.explore()
    assert len(calls) == 12
    assert "called 12 times" in explorer.notes[0]


def test_more_scopes_than_builds_are_refused():
    def build(hp):
        hp.Choice("kind", [str(kind) for kind in range(20)])
        for kind in range(20):
            with hp.conditional_scope("kind", [str(kind)]):
                hp.Int(f"x{kind}", 0, 1)

    explorer = Explorer(build, keras_tuner.HyperParameters, max_builds=5)
    with pytest.raises(SpecError, match="more than 5 conditional scopes"):
        explorer.explore()


def test_a_name_that_every_study_has_is_told_apart():
    hp = container(("Choice", "scale", [1, 2], {}), ("Int", "epochs", 1, 3, {}))
    found = read(hp.space, reserved=RESERVED)
    assert list(found.declared) == ["hp:scale", "epochs"]
    params = {"hp:scale": 2, "scale": "minmax", "epochs": 2, "patience": 3}
    assert values_of(params) == {"scale": 2, "epochs": 2}


def test_defaults_are_keras_tuners():
    hp = container(
        ("Int", "units", 8, 64, {"default": 32}),
        ("Choice", "kind", ["a", "b"], {"default": "b"}),
        ("Boolean", "bias", {"default": True}),
    )
    found = read(hp.space)
    defaults = Space(**found.declared).defaults(found.defaults)
    assert defaults == hp.values == {"units": 32, "kind": "b", "bias": True}


def test_a_space_goes_to_keras_tuner_and_comes_back():
    space = hpo.Space(
        layers=Int(1, 3),
        units=Int(16, 256, log=True),
        width=Int(10, 90, step=20),
        rate=Float(0.0, 0.5, step=0.1),
        lr=Float(1e-4, 1e-1, log=True),
        kind=["a", "b"],
        bias=[False, True],
        momentum=Float(0.0, 0.9, when={"kind": "a", "layers": (2, 3)}),
        rows=7,
    )
    back = Space.from_keras_tuner(space.to_keras_tuner())
    # Steps of 0.1 end at 0.5 here and at 0.4 there: six choices keep all of them.
    expected = dict(space.declared) | {
        "rate": Categorical(space.declared["rate"].values)
    }
    assert dict(back.declared) == expected


def test_repeats_go_to_keras_tuner_one_by_one():
    space = hpo.Space(layers=Int(1, 2), units=Int(4, 8, repeat="layers"))
    back = Space.from_keras_tuner(space.to_keras_tuner())
    assert back.hyperparameters == space.hyperparameters
    assert back.conditions == space.conditions


def test_choices_that_keras_tuner_lacks_are_refused():
    with pytest.raises(SpecError, match="x: Keras Tuner's choices are all texts"):
        hpo.Space(x=["a", 1]).to_keras_tuner()


def test_what_is_no_hypermodel_is_refused():
    with pytest.raises(SpecError, match=r"expected keras_tuner\.HyperParameters"):
        Space.from_keras_tuner(3)

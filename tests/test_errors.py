"""Errors form the tree that is drawn, and their messages help."""

from __future__ import annotations

import inspect
import re

import pytest

from hpo import errors
from hpo.errors import (
    MAX_COMPARED,
    HpoError,
    Problem,
    SpecError,
    TrialError,
    near_match,
    one_of,
)


def drawn_parents():
    """The parent of every class, read from the indents of the module's docstring."""
    parents, above = {}, []
    for indent, name in re.findall(r"^( *)\* (\w+)", errors.__doc__, re.MULTILINE):
        depth = len(indent) // 2
        parents[name] = above[depth - 1] if depth else "Exception"
        above = [*above[:depth], name]
    return parents


def test_the_tree_in_the_docstring_is_that_of_the_classes():
    classes = {
        name: value.__bases__[0].__name__
        for name, value in inspect.getmembers(errors, inspect.isclass)
        if issubclass(value, Exception)
    }
    assert drawn_parents() == classes
    assert len(classes) >= 10


def test_every_error_says_what_it_is_and_ends_in_error():
    for name in drawn_parents():
        assert name.endswith("Error")
        assert getattr(errors, name).__doc__


def test_one_except_catches_every_error_of_the_package_and_no_other():
    assert all(issubclass(getattr(errors, n), HpoError) for n in drawn_parents())
    assert not issubclass(ValueError, HpoError)


def test_a_problem_gives_the_place_first_if_there_is_one():
    assert str(Problem("space.units", "too few")) == "space.units: too few"
    assert str(Problem("", "too few")) == "too few"


def test_a_spec_error_lists_every_problem_on_a_line_and_keeps_them():
    problems = [Problem("a", "is wrong"), Problem("", "so is this")]
    error = SpecError(problems)
    assert str(error) == "a: is wrong\nso is this"
    assert error.problems == tuple(problems)


def test_a_trial_error_keeps_its_kind_apart_from_its_message():
    error = TrialError("nan", "the loss is not a number")
    assert (error.kind, str(error)) == ("nan", "the loss is not a number")


@pytest.mark.parametrize(
    ("value", "choices", "hint"),
    [
        ("dropuot", ["units", "dropout"], "; did you mean 'dropout'?"),
        ("adamm", {"adam", "adamax", "sgd"}, "; did you mean 'adam'?"),
        ("zzz", ["units", "dropout"], ""),
        ("units", [], ""),
        (12, ["128", "999"], "; did you mean '128'?"),
        (None, ["none", "nothing"], "; did you mean 'none'?"),
    ],
)
def test_near_match_offers_the_closest_choice_or_nothing(value, choices, hint):
    assert near_match(value, choices) == hint


def test_near_match_gives_up_where_it_would_take_long():
    names = [f"column_{i}" for i in range(MAX_COMPARED)]
    assert near_match("column_7x", names) == "; did you mean 'column_7'?"
    assert near_match("column_7x", [*names, "one more"]) == ""
    assert near_match("column_7" + "x" * 10**6, names) == ""


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("grit", "expected one of grid, random; got 'grit'; did you mean 'grid'?"),
        (3, "expected one of grid, random; got 3"),
        (None, "expected one of grid, random; got None"),
    ],
)
def test_one_of_lists_the_choices_in_their_order(value, message):
    assert one_of(value, ["grid", "random"]) == message

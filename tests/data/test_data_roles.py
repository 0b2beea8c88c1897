"""Several targets, groups and the order of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hpo.errors import DataError

TWO = "a,p,q\n1,0.5,10\n2,1.5,20\n3,,30\n4,3.5,NA\n5,4.5,50\n"


def test_several_targets_make_a_regression_of_as_many_outputs(load_text):
    dataset = load_text(TWO, target=["q", "p"])
    np.testing.assert_array_equal(dataset.y, [[10, 0.5], [20, 1.5], [50, 4.5]])
    assert dataset.y.dtype == np.float64
    assert (dataset.task, dataset.n_outputs, dataset.classes) == ("regression", 2, None)
    assert dataset.targets == ("q", "p")
    assert dataset.numeric == ("a",)
    assert dataset.notes == (
        "2 rows left out because a target is missing (first: line 4, '')",
        "task: regression, because there are several targets",
    )


def test_one_target_in_a_list_is_one_target(load_text):
    dataset = load_text("a,y\n1,u\n2,v\n3,u\n", target=["y"])
    assert dataset.y.tolist() == [0, 1, 0]
    assert (dataset.n_outputs, dataset.targets) == (1, ("y",))


@pytest.mark.parametrize(
    ("content", "wishes", "message"),
    [
        (TWO, {"task": "classification"}, "several targets, 'p', 'q', make a regress"),
        (TWO, {"drop": ["q"]}, r"data\.drop: 'q' is the target; do not drop it"),
        (TWO, {"target": ["p", "qq"]}, r"^data\.target: no column is named 'qq'; did"),
        (TWO, {"target": ["p", "p"]}, r"data\.target: 'p' named twice; remove one"),
        ("a,p,q\n1,5,1\n2,5,2\n3,5,3\n", {}, r"target 'p': every row has the same"),
        ("a,p,q\n1,5,u\n2,6,v\n3,7,u\n", {}, r"target 'q': regression expects numbers"),
        ("a,p,q\n1,5,inf\n2,6,1\n", {}, r"target 'q': expected finite .* \(line 2\)"),
        ("a,p,q\n1,5,\n2,6,NA\n", {}, r"target 'q': the target is missing in every"),
        ("a,p,q\n1,5,\n2,,1\n", {}, r"targets 'p', 'q': a target is missing in every"),
    ],
)
def test_targets_are_checked_one_by_one(load_text, content, wishes, message):
    with pytest.raises(DataError, match=message):
        load_text(content, **{"target": ["p", "q"], **wishes})


# --- groups -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cells", ["A B A C", "7 1.5 7 -2", "true false true 0", "2024-01-02 x 2024-01-02 y"]
)
def test_a_group_of_any_kind_becomes_codes_and_no_feature(load_text, cells):
    cells = cells.split()
    rows = [f"{i}.5,{cell},{'uv'[i % 2]}" for i, cell in enumerate(cells)]
    dataset = load_text("\n".join(["a,g,y", *rows]), group="g")
    assert dataset.groups.tolist() == pd.factorize(np.array(cells))[0].tolist()
    assert dataset.groups.dtype == np.int64
    assert dataset.numeric == ("a",)


def test_groups_follow_their_rows(load_text):
    content = "a,g,t,y\n1,B,3,u\n2,A,1,v\n3,B,2,\n4,C,0,u\n"
    dataset = load_text(content, group="g", order="t")
    assert dataset.X["a"].tolist() == [4, 2, 1]
    assert dataset.groups.tolist() == [0, 1, 2]  # C, A, B


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"group": "gg"}, r"data\.group: t\.csv has no column 'gg'; did you mean 'g'"),
        ({"group": "y"}, r"data\.group: 'y' is the target; name another column"),
        ({"group": "g", "features": ["a", "g"]}, r"data\.features: 'g' is the group"),
        ({"group": "m"}, r"group 'm': .* missing in line 3 and 1 more; fill it"),
        ({"group": "c"}, r"t\.csv: group 'c': every row is of the group 'k'; .*least"),
        ({"order": "zzz"}, r"data\.order: t\.csv has no column 'zzz'; it has a, g,"),
        ({"order": "y"}, r"data\.order: 'y' is the target"),
        ({"order": "m"}, r"order 'm': .*every row; it is missing in line 3 and 1 more"),
        ({"order": "g"}, r"order 'g': expected numbers or ISO dates .*; got 'A' \("),
        ({"order": "d"}, r"order 'd': .*got '03/01/2024' \(line 2\), .* and 1 more"),
        ({"order": "e"}, r"order 'e': .*got 'soon' \(line 4\); mend those cells"),
        ({"order": "i"}, r"order 'i': .*got 'inf' \(line 5\)"),
        ({"order": "b"}, r"order 'b': .*got 'true' \(line 2\)"),
    ],
)
def test_a_group_or_order_that_cannot_be_one_is_refused(load_text, wishes, message):
    content = (
        "a,g,m,c,d,e,i,b,y\n1,A,5,k,03/01/2024,2024-01-01,1,true,u\n"
        "2,B,,k,01/01/2024,2024-01-02,2,false,v\n3,A,7,k,02/01/2024,soon,3,true,u\n"
        "4,B,NA,k,04/01/2024,2024-01-03,inf,true,v\n"
    )
    with pytest.raises(DataError, match=message):
        load_text(content, **wishes)


# --- order --------------------------------------------------------------------------


def test_rows_are_sorted_by_a_date_and_ties_stay_as_they_are(load_text):
    days = ["2024-01-03", "2024-01-01", "2024-01-02", "2024-01-01", "2024-01-03"]
    rows = [f"{i},{day},{'uv'[i % 2]}" for i, day in enumerate(days)]
    dataset = load_text("\n".join(["a,date,y", *rows]), order="date")
    expected = pd.Series(days).sort_values(kind="stable").index.tolist()
    assert dataset.X["a"].tolist() == expected == [1, 3, 2, 0, 4]
    assert dataset.y.tolist() == [1, 1, 0, 0, 0]
    assert dataset.numeric == ("a",)
    assert "sorted by date: 3 rows were out of order" in dataset.notes
    assert "date gives the order of the rows and is no feature" in dataset.notes


def test_rows_in_order_are_left_alone_without_a_note(load_text):
    dataset = load_text("a,t,y\n5,-1,u\n6,2,v\n7,10,u\n", order="t")
    assert dataset.X["a"].tolist() == [5, 6, 7]
    assert not any("out of order" in note for note in dataset.notes)


def test_numbers_are_sorted_as_numbers_and_one_late_row_is_counted(load_text):
    dataset = load_text("a,t,y\n5,9,u\n6,10,v\n7,-1e1,u\n", order="t")
    assert dataset.X["a"].tolist() == [7, 5, 6]
    assert "sorted by t: 1 row was out of order" in dataset.notes


def test_instants_are_sorted_in_utc(load_text):
    content = "a,t,y\n1,2024-01-01T12:00+05:00,u\n2,2024-01-01T06:00Z,v\n3,2024-01-01,u"
    assert load_text(content, order="t").X["a"].tolist() == [3, 2, 1]


def test_the_order_is_a_feature_if_it_is_named(load_text):
    content = "a,t,y\n5,3,u\n6,1,v\n7,1,u\n"
    dataset = load_text(content, order="t", features=["t", "a"])
    assert dataset.X.to_dict("list") == {"t": [1, 1, 3], "a": [6, 7, 5]}
    assert not any("no feature" in note for note in dataset.notes)


def test_lines_are_those_of_the_file_after_sorting(load_text):
    with pytest.raises(DataError, match=r"'x' \(line 2\)"):
        load_text("a,t,y\nx,3,u\n6,1,v\n7,1,u\n8,1,u\n", order="t")


def test_a_group_is_the_same_however_its_number_is_written(load_text):
    rows = ["1,0.5,a", "1.0,0.25,b", "2,0.5,a", "2.,1,b", "-3,0,a", "-3.00,1,b"]
    text = "who,x,y\n" + "\n".join(rows) + "\n"
    data = load_text(text, target="y", group="who")
    assert data.groups.tolist() == [0, 0, 1, 1, 2, 2]


def test_groups_that_are_not_all_numbers_are_told_apart_as_text(load_text):
    rows = ["1,0.5,a", "1.0,0.25,b", "01,0.5,a", "1,1,b"]
    text = "who,x,y\n" + "\n".join(rows) + "\n"
    data = load_text(text, target="y", group="who")
    assert data.groups.tolist() == [0, 1, 2, 0]

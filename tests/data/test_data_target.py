"""The target settles the task, and its labels stay as the user wrote them."""

from __future__ import annotations

import numpy as np
import pytest

from hpo.errors import DataError


def column(values):
    """A table whose target holds the values; the feature is 0.5, 1.5, ..."""
    rows = [f'{index}.5,"{value}"' for index, value in enumerate(values)]
    return "\n".join(["a,y", *rows])


@pytest.mark.parametrize(
    ("values", "classes", "codes"),
    [
        (["fog", "sun", "fog"], ["fog", "sun"], [0, 1, 0]),
        (["true", "False", "TRUE"], [False, True], [1, 0, 1]),
        (["10", "9", "10", "9"], [9, 10], [1, 0, 1, 0]),
        (["2.0", "1.0", "2", "1e0"], [1, 2], [1, 0, 1, 0]),
        (["-1", "1", "-1", "+1"], [-1, 1], [0, 1, 0, 1]),
        (["a", "1", "b", "a"], ["1", "a", "b"], [1, 0, 2, 1]),
        (["007", "7", "12", "007", "7"], ["007", "12", "7"], [0, 2, 1, 0, 2]),
        (["0", "10", "0", "0.0"], [0, 10], [0, 1, 0, 0]),
        (["00", "1.0", "1", "1"], ["00", "1", "1.0"], [0, 2, 1, 1]),
        (["0" * 5000 + "1", "1"] * 2, ["0" * 5000 + "1", "1"], [0, 1, 0, 1]),
        (["1", "10", "2", "1", "a", "a", "10", "2"], ["1", "10", "2", "a"], None),
        (["9007199254740993", "9007199254740992"] * 2,
         [9007199254740992, 9007199254740993], [1, 0, 1, 0]),
        (["9223372036854775808", "1"] * 2, ["1", "9223372036854775808"], [1, 0, 1, 0]),
    ],
)  # fmt: skip
def test_labels_keep_their_type_and_are_sorted(load_text, values, classes, codes):
    dataset = load_text(column(values), task="classification")
    assert dataset.classes.tolist() == classes
    assert [type(label) for label in dataset.classes.tolist()] == [
        type(label) for label in classes
    ]
    assert dataset.y.dtype == np.int64
    if codes:
        assert dataset.y.tolist() == codes


@pytest.mark.parametrize(
    ("values", "task", "note"),
    [
        ("uvuv", "classification", "target is text"),
        (["yes", "1", "1", "yes"], "classification", "target is partly text"),
        (["true", "false", "true"], "classification", "target is true or false"),
        (["0.5", "1", "2"], "regression", "target is numbers with fractions"),
        ([1, 2, 1, 2], "classification", r"2 distinct values; say task: regression"),
        ([1, 2, 3, 1, 2], "regression", "3 distinct values; say task: classification"),
        ([*range(20)] * 2, "classification", "20 distinct values"),
        ([*range(21)] * 2, "regression", "21 distinct values"),
    ],
)
def test_the_task_is_inferred_and_noted(load_text, values, task, note):
    dataset = load_text(column(values))
    assert dataset.task == task
    assert any(n.startswith(f"task: {task}") and note in n for n in dataset.notes)


def test_a_given_task_overrides_and_leaves_no_note(load_text):
    dataset = load_text(column([1, 2, 1, 2]), task="regression")
    assert (dataset.task, dataset.classes, dataset.n_classes) == ("regression", None, 0)
    assert dataset.y.tolist() == [1.0, 2.0, 1.0, 2.0]
    assert not any("task" in note for note in dataset.notes)


def test_rows_without_a_target_are_left_out_and_counted(load_text):
    dataset = load_text(column(["u", "NA", "v", "", "u"]))
    assert dataset.X["a"].tolist() == [0.5, 2.5, 4.5]
    assert dataset.y.tolist() == [0, 1, 0]
    assert any(
        note.startswith(
            "2 rows left out because the target is missing (first: line 3, "
        )
        for note in dataset.notes
    )


def test_lines_are_those_of_the_file_after_rows_are_left_out(load_text):
    with pytest.raises(DataError, match=r"'x' \(line 4\)"):
        load_text("a,y\n1,\n2,u\nx,v\n4,u\n")


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        ("uvuv", "regression", r"t\.csv: target 'y': regression expects numbers; got "
         r"'u' \(line 2\), 'v' \(line 3\), 'u' \(line 4\) and 1 more; .*task: classif"),
        (["true", "false"], "regression", "got true and false; say task: class"),
        (["1", "1.25", "2"], "classification", "fractions, such as '1.25'; say task"),
        (["u", "u"], None, "every row is of the class 'u'; there is nothing to learn"),
        (["1", "1.0"], "classification", "every row is of the class '1'"),
        (["1.5", "1.50"], None, "every row has the same value, '1.5'"),
        (["1.5", "inf", "-1e999"], None,
         r"expected finite numbers; got 'inf' \(line 3\), '-1e999' \(line 4\)"),
        (["u", "v", "w"], None, "every row has a class of its own"),
        ([1, 2, 3], "classification", "its own.*for quantities, say task: regr"),
        ([*range(1001)] * 2, "classification", "at most 1000 classes; got 1001; merge"),
        (["NA", "", "?"], None, "the target is missing in every row"),
        (["1.5", "2.5", "3,5", "4.5"], None,
         r"cannot be read as one: '3,5' \(line 4\); mend them \(decimals take"),
        (["1,5", "2,5"] * 9, None, r"cannot be read as one: '1,5' \(line 2\)"),
    ],
)  # fmt: skip
def test_a_target_that_cannot_be_learned_is_refused(load_text, values, task, message):
    with pytest.raises(DataError, match=message):
        load_text(column(values), task=task)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, r"^data\.target: expected the column to predict; t\.csv has a, label$"),
        (
            "lable",
            r"no column is named 'lable'; did you mean 'label'\?; t\.csv has a, l",
        ),
    ],
)
def test_a_target_that_is_no_column_is_refused(load_text, target, message):
    with pytest.raises(DataError, match=message):
        load_text("a,label\n1,u\n2,v\n", target=target)


def test_a_file_without_a_header_is_recognised(load_text):
    with pytest.raises(DataError, match="is its first line a row"):
        load_text("5.1,3.5\n4.9,3.0\n")

"""What a user gets for a mistake: one clear message, an exit code, and nothing lost."""

from __future__ import annotations

import re
import sys

import pytest

from hpo.cli.app import main

TABLE = "a,b,label\n" + "".join(
    f"{i % 7}.5,{i % 11},{'yes' if i % 3 else 'no'}\n" for i in range(60)
)
STUDY = """\
name: tiny
data:
  source: table.csv
  target: label
model: sklearn.tree.DecisionTreeClassifier
space:
  max_depth: {int: [1, 4]}
search:
  strategy: grid
evaluation:
  folds: 3
"""


@pytest.fixture
def hpo(tmp_path, monkeypatch, capsys):
    """Run commands beside a sound study; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "table.csv").write_text(TABLE)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["hpo", *words])
        with pytest.raises(SystemExit) as exit_info:
            main()
        written = capsys.readouterr()
        assert "Traceback" not in written.err
        return exit_info.value.code or 0, written.out, written.err

    return run


def test_a_missing_file_is_named_with_a_near_match(hpo):
    code, _, err = hpo("run", "studdy.yaml")
    assert code == 2
    assert "did you mean" in err
    assert "study.yaml" in err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("target: label", "target: lable", "did you mean 'label'"),
        ("folds: 3", "folds: 30", "cannot make 30 stratified folds: class 'no'"),
        ("max_depth", "max_dept", "did you mean 'max_depth'"),
        ("int: [1, 4]", "int: [-3, 4]", "max_depth"),
        ("int: [1, 4]", "float: [1, 4]", "points: 5"),
        ("\n  max_depth: {int: [1, 4]}", " {}", "at least one hyperparameter"),
        ("folds: 3", "folds: 3\n  metric: r2", "expected a metric for classification"),
        ("folds: 3", "folds: 3\n  metric: acuracy", "did you mean 'accuracy'"),
        ("DecisionTreeClassifier", "DecisionTreeRegressor", "regress"),
        ("strategy: grid", "strategy: gird", "did you mean 'grid'"),
        ("name: tiny", "name: tiny\nname: twice", "study.yaml:2"),
    ],
)
def test_a_mistake_in_the_study_file_is_refused_before_anything_runs(
    hpo, edit, tmp_path, old, new, message
):
    edit(old, new)
    code, out, err = hpo("run", "study.yaml")
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "hpo.db").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.replace("yes", "no"), "every row is of the class 'no'"),
        (TABLE.replace("6.5,", "6.5x,"), "table.csv"),
        ("a,b,label\n" + ",1,no\n,2,yes\n" * 20, "'?a'?"),
        ("a,b,label\n", "row"),
        ("", "empty"),
        ("a,a,label\n1,2,no\n", "twice|duplicate"),
        ("a,b,label\n1,2\n", "table.csv"),
    ],
)
def test_data_that_cannot_be_used_is_refused_before_anything_runs(
    hpo, tmp_path, table, message
):
    (tmp_path / "table.csv").write_text(table)
    code, out, err = hpo("run", "study.yaml")
    assert (code, out) == (2, "")
    assert re.search(message, err), err
    assert not (tmp_path / "hpo.db").exists()


def test_several_mistakes_are_reported_together(hpo, edit):
    edit("strategy: grid", "strategy: gird\n  trails: 3")
    edit("int: [1, 4]", "int: [4, 1]")
    code, _, err = hpo("run", "study.yaml")
    assert code == 2
    for part in ("study.yaml:7", "study.yaml:9", "study.yaml:10", "3 mistakes"):
        assert part in err


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("folds: 3", "folds: 4", "evaluation.folds 3 4"),
        (
            "DecisionTreeClassifier",
            "ExtraTreeClassifier",
            "model sklearn.tree.DecisionTreeClassifier",
        ),
        (
            "folds: 3",
            "folds: 3\n  metric: f1",
            "evaluation.metric not set f1",
        ),
        ("strategy: grid", "strategy: grid\n  seed: 1", "search.seed 0 1"),
        ("target: label", "target: label\n  drop: [b]", "data.drop"),
        ("target: label", "target: label\n  test_size: 0.3", "data.test_size"),
    ],
)
def test_an_edit_that_makes_scores_incomparable_is_refused(hpo, edit, old, new, what):
    assert hpo("run", "study.yaml")[0] == 0
    before = hpo("trials", "tiny", "--format", "json")[1]
    edit(old, new)
    code, _, err = hpo("run", "study.yaml")
    assert code == 2
    assert what in " ".join(err.split())
    assert "--name" in err
    assert hpo("trials", "tiny", "--format", "json")[1] == before
    assert hpo("run", "study.yaml", "--name", "another")[0] == 0


def test_changed_data_is_refused(hpo, edit):
    assert hpo("run", "study.yaml")[0] == 0
    edit("0.5,0,no", "9.5,0,no", "table.csv")
    code, _, err = hpo("run", "study.yaml")
    assert code == 2
    assert "the content of table.csv has changed" in err


def test_a_wider_space_keeps_the_history(hpo, edit):
    assert hpo("run", "study.yaml")[0] == 0
    edit("int: [1, 4]", "int: [1, 6]")
    code, _, err = hpo("run", "study.yaml")
    assert code == 0
    assert "space.max_depth 1 to 4 1 to 6" in " ".join(err.split())
    _, out, _ = hpo("trials", "tiny", "--format", "csv")
    assert len(out.splitlines()) == 1 + 6


def test_a_store_that_cannot_be_opened_exits_5(hpo, tmp_path):
    code, _, err = hpo("run", "study.yaml", "--store", "sqlite:///no/such/hpo.db")
    assert code == 5
    assert "there is no folder" in err
    (tmp_path / "notes.db").write_text(
        "not a database, but long enough to be read " * 99
    )
    code, _, err = hpo("list", "--store", "sqlite:///notes.db")
    assert code == 5
    assert "no SQLite database" in err


def test_a_password_is_never_shown(hpo):
    url = "postgresql+psycopg://me:s3cret@127.0.0.1:9/hpo"
    code, out, err = hpo("list", "--store", url)
    assert code == 5
    assert "s3cret" not in out + err


def test_an_unknown_study_exits_2(hpo):
    assert hpo("run", "study.yaml")[0] == 0
    for command in ("show", "trials", "best"):
        code, _, err = hpo(command, "tinny")
        assert code == 2
        assert "did you mean 'tiny'?" in err


def test_a_study_without_success_exits_4(hpo, edit):
    edit("tree.DecisionTreeClassifier", "svm.SVC")
    edit("max_depth: {int: [1, 4]}", "kernel: precomputed\n  C: [1, 2]")
    code, out, err = hpo("run", "study.yaml")
    assert (code, out) == (4, "")
    assert "2 x error: ValueError: Precomputed matrix" in err
    assert hpo("best", "tiny")[0] == 4

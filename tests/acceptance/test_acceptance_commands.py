"""`hpo check`, `try` and `delete`, and editing a study's file, as a user meets them."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys

import pytest
from command_folder import HPO

from hpo.cli.app import main
from hpo.store import Store

TABLE = "a,b,kind,label\n" + "".join(
    f"{i % 7}.5,{'' if i % 20 == 0 else i % 11},{'xyz'[i % 3]},"
    f"{'yes' if i % 5 else 'no'}\n"
    for i in range(80)
)
STUDY = """\
name: tiny
data:
  source: table.csv
  target: label
model: sklearn.tree.DecisionTreeClassifier
space:
  max_depth: {int: [1, 4]}
  criterion: [gini, entropy]
  max_leaf_nodes: {int: [2, 3], when: {criterion: gini}}
search:
  strategy: grid
evaluation:
  folds: 3
  repeats: 2
"""


@pytest.fixture
def hpo(tmp_path, monkeypatch, capsys):
    """Run commands beside a sound study; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "table.csv").write_text(TABLE)

    def run(*words, code=0):
        monkeypatch.setattr(sys, "argv", ["hpo", *words])
        with pytest.raises(SystemExit) as exit_info:
            main()
        written = capsys.readouterr()
        assert "Traceback" not in written.err
        assert (exit_info.value.code or 0) == code, written.err
        return written.out, written.err

    return run


def has(text, *parts):
    """Tell whether the words of each part follow each other, however spaced."""
    plain = " ".join(text.split())
    return [part for part in parts if part not in plain] == []


# check


def test_check_says_what_would_run_and_touches_no_store(hpo, tmp_path):
    out, _ = hpo("check", "study.yaml")
    # By hand: 4 depths x (2 leaf numbers with gini + entropy alone) = 12.
    assert has(
        out,
        "tiny: sklearn.tree.DecisionTreeClassifier",
        "data table.csv: 80 rows x 3 features, 2 classes",
        "numeric 2: a, b",
        "categorical 1: kind",
        "missing 4 values: b 4",
        "classes yes 64 (80.0 %), no 16 (20.0 %)",
        "target label",
        "test part 16 rows held out; the search has 64",
        "judged by 3 stratified folds, 2 times anew",
        "metric accuracy",
        "search grid over 12 combinations",
        "work 12 trials x 6 folds = 72 fits",
        "hyperparameter values default when",
        "max_leaf_nodes 2 to 3",
        "criterion is gini",
    )
    assert max(map(len, out.splitlines())) <= 80
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study.yaml", "table.csv"]


def test_check_writes_one_object_and_one_row(hpo):
    made = json.loads(hpo("check", "study.yaml", "--jobs", "3", "--format", "json")[0])
    assert (made["n_combinations"], made["n_trials"], made["n_fits"]) == (12, 12, 72)
    assert made["n_workers"] == 3
    assert made["data"]["classes"][0] == {"label": "yes", "n_rows": 64, "share": 0.8}
    assert made["estimate"] is None
    (row,) = csv.DictReader(
        io.StringIO(hpo("check", "study.yaml", "--format", "csv")[0])
    )
    assert (row["name"], row["n_fits"]) == ("tiny", "72")
    assert json.loads(row["space"])["criterion"] == ["gini", "entropy"]


def test_check_times_one_fold_in_a_worker(hpo, tmp_path):
    out, err = hpo("check", "study.yaml", "--time", "--jobs", "1")
    assert "training one fold of the default params" in err
    assert has(out, "time: about", "with 1 worker (72 times")
    assert has(out, "timed with the default params, trained by scikit-learn ")
    assert not (tmp_path / "hpo.db").exists()


def test_check_says_why_the_fold_that_it_times_fails(hpo, edit):
    edit("tree.DecisionTreeClassifier", "svm.SVC")
    edit("max_depth: {int: [1, 4]}", "kernel: precomputed")
    edit("criterion: [gini, entropy]", "C: [1, 2]")
    edit("max_leaf_nodes: {int: [2, 3], when: {criterion: gini}}", "tol: 0.1")
    _, err = hpo("check", "study.yaml", "--time", code=2)
    assert has(err, "the fold that was to be timed failed", "Precomputed matrix")


def test_check_refuses_what_run_refuses(hpo, edit):
    edit("folds: 3", "folds: 30")
    checked, ran = hpo("check", "study.yaml", code=2), hpo("run", "study.yaml", code=2)
    assert checked == ran
    assert "cannot make 30 stratified folds" in checked[1]


def test_check_counts_only_what_the_budget_reaches(hpo, edit):
    edit("strategy: grid", "strategy: random\n  trials: 5")
    assert has(
        hpo("check", "study.yaml")[0],
        "random over 12 combinations",
        "5 trials x 6 folds = 30 fits",
    )


# try


def test_a_try_is_shown_beside_the_search_and_kept_apart(hpo, edit):
    edit("strategy: grid", "strategy: random\n  trials: 4")
    _, err = hpo("try", "study.yaml", "-p", "max_depth=9", "-p", "criterion=entropy")
    assert has(err, "new in the store", "no trial yet to compare it with")
    hpo("run", "study.yaml")
    table = hpo("trials", "tiny", "--format", "json")[0]
    out, _ = hpo("try", "study.yaml", "-p", "max_depth=1", "--param", "splitter=random")
    assert has(out, "tiny: manual trial 1, accuracy", "this try", "(trial 0)")
    assert has(out, "splitter random")
    assert max(map(len, out.splitlines())) <= 80
    assert hpo("trials", "tiny", "--format", "json")[0] == table
    assert "2 manual trials" in hpo("trials", "tiny")[1]
    tries = json.loads(hpo("trials", "tiny", "--manual", "--format", "json")[0])
    assert [row["number"] for row in tries] == [0, 1]
    assert tries[0]["params"] == {"max_depth": 9, "criterion": "entropy"}
    assert "2 manual trials" in hpo("show", "tiny")[0]
    assert json.loads(hpo("show", "tiny", "--format", "json")[0])["n_manual"] == 2
    assert json.loads(hpo("list", "--format", "json")[0])[0]["n_trials"] == 4


def test_the_same_try_has_the_same_scores_in_any_store(hpo):
    words = ("try", "study.yaml", "-p", "max_depth=2", "--format", "json")
    one = json.loads(hpo(*words)[0])
    hpo("run", "study.yaml", "--store", "sqlite:///other.db")
    hpo("try", "study.yaml", "-p", "max_depth=3", "--store", "sqlite:///other.db")
    other = json.loads(hpo(*words, "--store", "sqlite:///other.db")[0])
    assert (one["number"], other["number"]) == (0, 1)
    names = ["params", "mean_test_score", *(f"split{i}_test_score" for i in range(6))]
    assert [one[name] for name in names] == [other[name] for name in names]
    assert other["best_score"] >= other["mean_test_score"]
    again, err = hpo(*words)
    assert json.loads(again) == one
    assert "tried before (manual trial 0)" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-p", "max_dept=2"], "-p max_dept: .*did you mean 'max_depth'"),
        (["-p", "max_depth=-2"], "-p max_depth: "),
        (["-p", "max_depth"], "-p: expected a name and a value, as in -p units=64"),
        (["-p", "max_depth=[1, 2]"], "-p max_depth: expected one value"),
        (["-p", "max_depth=!!str 2"], "-p max_depth: expected one value"),
        (["-p", "max_depth=1e999"], "-p max_depth: expected a finite number"),
        (["-p", "max_depth=1", "-p", "max_depth=2"], "-p max_depth: is given twice"),
        (
            ["-p", "criterion=entropy", "-p", "max_leaf_nodes=3"],
            "-p max_leaf_nodes: is only used if criterion is gini, .* it is entropy",
        ),
    ],
)
def test_params_that_make_no_sense_are_refused_before_anything_runs(
    hpo, tmp_path, words, message
):
    out, err = hpo("try", "study.yaml", *words, code=2)
    assert out == ""
    assert re.search(message, err), err
    assert not (tmp_path / "hpo.db").exists()


def test_a_try_that_fails_says_why_and_exits_4(hpo, edit):
    edit("tree.DecisionTreeClassifier", "svm.SVC")
    edit("max_depth: {int: [1, 4]}", "kernel: [rbf, linear]")
    edit("criterion: [gini, entropy]", "C: [1, 2]")
    edit("max_leaf_nodes: {int: [2, 3], when: {criterion: gini}}", "tol: 0.1")
    _, err = hpo("try", "study.yaml", "-p", "kernel=precomputed", code=4)
    assert "manual trial 0 failed: 1 x error: ValueError: Precomputed matrix" in err


def test_neither_try_nor_delete_touches_a_study_that_is_being_run(hpo):
    hpo("run", "study.yaml")
    store = Store("sqlite:///hpo.db")
    writer = store.own("tiny")
    for words in (("try", "study.yaml"), ("delete", "tiny", "--yes")):
        _, err = hpo(*words, code=3)
        assert f"process {os.getpid()}" in err
    writer.release()
    assert len(store.trials("tiny")) == 12
    store.close()
    hpo("delete", "tiny", "--yes")


def test_a_try_of_an_edited_file_is_refused_with_the_diff(hpo, edit):
    hpo("try", "study.yaml")
    edit("folds: 3", "folds: 4")
    _, err = hpo("try", "study.yaml", code=2)
    assert has(err, "evaluation.folds 3 4", "hpo delete tiny")


SLEEPY = """
name: sleepy
data: {source: sklearn.digits}
model: sklearn.ensemble.RandomForestClassifier
space: {n_estimators: 150, max_features: [0.5, 0.9]}
search: {strategy: random, trials: 2}
evaluation: {folds: 4}
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "ctrl-c"])
def test_a_try_that_was_cut_short_is_completed_by_the_same_try(make_folder, how):
    calm, cut = make_folder("calm", SLEEPY), make_folder("cut", SLEEPY)
    words = ("try", "study.yaml", "-p", "max_features=0.8", "--jobs", "1")
    process = cut.start(*words)
    cut.wait_for_folds(process, 0, seconds=150)
    process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGINT)
    _, err = process.communicate(timeout=120)
    if how == "ctrl-c":
        assert process.returncode == 130, err
        assert "of 4 folds done; the same command again goes on" in err
    n_before = cut.n_folds_stored()
    assert 0 < n_before < 4
    cut.hpo(*words)
    assert cut.n_folds_stored() == 4
    calm.hpo(*words)
    tables = [
        [{k: v for k, v in row.items() if k != "mean_fit_time"} for row in rows]
        for folder in (calm, cut)
        for rows in [folder.json("trials", "sleepy", "--manual")]
    ]
    assert tables[0] == tables[1]


# delete


def test_delete_removes_the_study_and_nothing_else(hpo):
    for name in ("tiny", "other"):
        hpo("run", "study.yaml", "--name", name)
    hpo("try", "study.yaml")
    _, err = hpo("delete", "tiny", "--yes")
    assert "study 'tiny' (complete): 12 trials and 1 manual" in err
    assert [r["name"] for r in json.loads(hpo("list", "--format", "json")[0])] == [
        "other"
    ]
    assert "did you mean" not in hpo("delete", "tiny", "--yes", code=2)[1]
    assert "did you mean 'other'?" in hpo("delete", "othr", "--yes", code=2)[1]
    hpo("run", "study.yaml")


def test_delete_needs_a_terminal_or_yes(hpo, monkeypatch):
    hpo("run", "study.yaml")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    _, err = hpo("delete", "tiny", code=2)
    assert "add --yes" in err
    assert len(json.loads(hpo("trials", "tiny", "--format", "json")[0])) == 12


def test_delete_does_not_make_a_store(hpo, tmp_path):
    assert "there is none here" in hpo("delete", "tiny", "--yes", code=5)[1]
    assert not (tmp_path / "hpo.db").exists()


@pytest.mark.parametrize(("answer", "n_left"), [(b"n\n", 1), (b"\n", 1), (b"y\n", 0)])
def test_delete_asks_on_a_terminal(hpo, tmp_path, answer, n_left):
    hpo("run", "study.yaml")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*HPO, "delete", "tiny"],
        cwd=tmp_path,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.write(ours, answer)
        _, err = process.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0
    assert "Delete it with all its trials, for good? [y/N]" in err
    assert ("nothing was deleted" in err) == (n_left == 1)
    assert len(json.loads(hpo("list", "--format", "json")[0])) == n_left


# Editing


def test_what_was_edited_is_shown_and_counted_in(hpo, edit):
    hpo("run", "study.yaml")
    edit("int: [1, 4]", "int: [1, 5]")
    edit("strategy: grid", "strategy: grid\n  trials: 14")
    _, err = hpo("run", "study.yaml")
    assert has(
        err,
        "changed since the last run:",
        "key was is",
        "space.max_depth 1 to 4 1 to 5",
        "search.trials not set 14",
    )
    assert len(json.loads(hpo("trials", "tiny", "--format", "json")[0])) == 14
    (change,) = json.loads(hpo("show", "tiny", "--format", "json")[0])["edits"]
    assert change["from_trial"] == 12
    assert "the file was edited before trial 12" in hpo("show", "tiny")[0]


def test_trial_0_of_a_grid_never_becomes_the_defaults(hpo, edit):
    hpo("run", "study.yaml")
    edit("strategy: grid", "strategy: random\n  trials: 12")
    hpo("run", "study.yaml")
    best = json.loads(hpo("best", "tiny", "--format", "json")[0])
    assert best["defaults_score"] is None
    assert "defaults" not in hpo("best", "tiny")[0]


def test_run_says_what_the_classes_and_folds_are(hpo):
    _, err = hpo("run", "study.yaml")
    assert has(
        err,
        "table.csv: 80 rows x 3 features, 2 classes; 16 held out",
        "classes: yes 64 (80.0 %), no 16 (20.0 %)",
        "3 stratified folds, 2 times anew, metric accuracy",
    )


def test_names_in_brackets_are_shown_as_they_are(hpo, edit):
    edit("a,b,kind,label", "wind [m/s],temp [/C],kind [bold],label", "table.csv")
    out, _ = hpo("check", "study.yaml")
    assert has(out, "wind [m/s], temp [/C]", "kind [bold]")


@pytest.mark.parametrize(
    ("kind", "training", "line"),
    [
        ("keras", "fit: custom train_step", "tensorflow; fit: custom"),
        ("keras", None, "Keras on tensorflow\n"),
        ("scikit-learn", None, None),
    ],
)
def test_check_says_how_a_builders_network_would_be_trained(
    kind, training, line, hpo, edit, tmp_path, monkeypatch
):
    from hpo.models import builder_check

    found = {"kind": kind, "class": "Model", "n_parameters": 3, "layers": []}
    found |= {"unread": [], "errors": [], "output_shape": None}
    found |= {} if training is None else {"training": training}
    monkeypatch.setattr(builder_check, "describe_model", lambda *_, **__: found)
    (tmp_path / "network.py").touch()
    edit("sklearn.tree.DecisionTreeClassifier", "network:build")
    written = re.sub(" +\n", "\n", hpo("check", "study.yaml")[0])
    assert ("trained by" in written) == (line is not None)
    assert line is None or line in written
    told = json.loads(hpo("check", "study.yaml", "--format", "json")[0])
    assert told["training"] == training

"""`hpo compare` as a user meets it: strategies on a file, then studies by name."""

from __future__ import annotations

import csv
import io
import json
import os
import signal

import pytest
from browser import browser_page

import hpo

STUDY = """\
name: iris
data: {source: sklearn.iris}
model: sklearn-mlp
space:
  units: {int: [4, 32], log: true}
  learning_rate: {float: [1e-3, 1e-1], log: true}
  epochs: 8
search: {trials: 5}
evaluation: {folds: 3}
"""
STRATEGIES = ("compare", "study.yaml", "--strategies", "grid,random,bayesian")
SEEDS = ("--seeds", "2", "--jobs", "1")


def without_times(rows):
    return [{k: v for k, v in r.items() if "seconds" not in k} for r in rows]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Return a folder with six searches, interrupted once, and one without."""
    from command_folder import Folder

    made = []
    for label in ("whole", "interrupted"):
        folder = Folder(tmp_path_factory.mktemp(label))
        folder.write("study.yaml", STUDY)
        made.append(folder)
    return made


@pytest.mark.slow
def test_strategies_interrupted_and_run_again_give_the_same_table(compared):
    whole, interrupted = compared
    rows = whole.json(*STRATEGIES, *SEEDS)
    assert [row["strategy"] for row in rows] == ["grid", "random", "bayesian"]
    assert [row["n_searches"] for row in rows] == [2, 2, 2]
    # Two ranges in five cells: 2 x 2, as 3 x 2 is one too many.
    assert [row["n_trials"] for row in rows] == [4, 5, 5]
    assert all(row["trials_to_reach"] is not None for row in rows)
    process = interrupted.start(*STRATEGIES, *SEEDS)
    interrupted.wait_for_folds(process, more_than=5)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert out == ""
    assert "run the same command again to go on" in err
    n_folds = interrupted.n_folds_stored()
    assert 5 < n_folds < 84
    again = interrupted.json(*STRATEGIES, *SEEDS)
    assert without_times(again) == without_times(rows)
    # 2 seeds x (4 + 5 + 5) trials x 3 folds; and a third run trains nothing.
    assert interrupted.n_folds_stored() == 84
    third = interrupted.hpo(*STRATEGIES, *SEEDS)
    assert third.stderr.count("done before") == 6
    assert interrupted.n_folds_stored() == 84
    assert all(len(line) <= 80 for line in third.stdout.splitlines())


@pytest.mark.slow
def test_studies_are_compared_by_name_and_written_as_a_page(compared):
    folder, _ = compared
    names = ("iris grid seed 0", "iris bayesian seed 0")
    done = folder.hpo("compare", *names, "-o", "compared.html")
    assert "over the same folds" in " ".join(done.stdout.split())
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    with browser_page() as browser:
        browser.open(folder.path / "compared.html")
        browser.page.wait_for_selector(".figure .scatterlayer .trace")
        assert browser.problems == []
        drawn = browser.page.locator(".figure:has(.scatterlayer .trace)")
        assert drawn.count() == 2
    rows = json.loads(folder.hpo("compare", *names, "--format", "json").stdout)
    text = folder.hpo("compare", *names, "--format", "csv").stdout
    (first, second) = csv.DictReader(io.StringIO(text))
    assert float(first["best_score"]) == rows[0]["best_score"]
    assert second["study"] == names[1]
    trials = folder.trial_table(names[0])
    assert rows[0]["best_score"] == max(t["mean_test_score"] for t in trials)
    store = f"sqlite:///{folder.path / 'hpo.db'}"
    same = hpo.compare(*names, store=store)
    assert same.to_frame()["best_score"].tolist() == [r["best_score"] for r in rows]
    curves = same.curves
    assert curves.groupby("study", sort=False)["score"].count().tolist() == [4, 5]
    assert (curves["seconds"].diff().dropna() != 0).all()
    assert "compared" in same.to_html(folder.path / "same.html").read_text()[:1000]
    notes = folder.path / "notes.txt"
    notes.write_text("what I must not lose")
    with pytest.raises(hpo.HpoError, match=r"notes.txt: holds something that is no"):
        same.to_html(notes)
    assert notes.read_text() == "what I must not lose"


@pytest.mark.slow
def test_mistakes_are_named(compared):
    folder, _ = compared
    refused = folder.hpo("compare", "iris grid seed 0", code=2)
    assert "at least two studies" in refused.stderr
    refused = folder.hpo("compare", "iris grid seed 0", "irs", code=2)
    assert "no study 'irs'" in refused.stderr
    refused = folder.hpo("compare", "study.yaml", "--strategies", "grid", code=2)
    assert "two or more of grid, random, bayesian" in refused.stderr
    refused = folder.hpo(*STRATEGIES, *SEEDS, "-o", "no/where.html", code=2)
    assert "--output: expected a file in a folder that is there" in refused.stderr
    folder.write("study.yaml", STUDY.replace("[4, 32]", "[4, 64]"))
    refused = folder.hpo(*STRATEGIES, *SEEDS, code=2)
    assert "space.units" in refused.stderr
    folder.write("study.yaml", STUDY)


@pytest.mark.slow
def test_strategies_are_compared_from_python(compared):
    folder, _ = compared
    store = f"sqlite:///{folder.path / 'hpo.db'}"
    made = hpo.compare_strategies(
        folder.path / "study.yaml", seeds=2, jobs=1, store=store
    )
    rows = folder.json(*STRATEGIES, *SEEDS)
    assert made.to_frame()["wins"].tolist() == [row["wins"] for row in rows]
    assert len(made.curves) == 2 * (4 + 5 + 5)

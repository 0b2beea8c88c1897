"""Which trial to take and how good it is: `hpo best`, as a user meets it."""

from __future__ import annotations

import json
import sqlite3

import pytest
from command_folder import Folder

import hpo
from hpo.errors import StudyError

STUDY = """\
name: wine
data: {source: sklearn.wine}
model: sklearn-mlp
space:
  units: {int: [4, 64], log: true}
  learning_rate: {float: [1e-4, 1e-1], log: true}
  epochs: 15
search: {strategy: random, trials: 6}
evaluation: {folds: 3}
"""
KEYS = [
    *("number", "params", "mean_test_score", "std_test_score", "corrected_score"),
    *("corrected_interval", "nested_score", "nested_std", "test_score", "test_trial"),
    *("test_looks", "defaults_score", "gain", "gain_interval", "baseline_score"),
    *("gain_over_baseline", "gain_over_baseline_interval", "rivals"),
]


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    """A folder with a study that has run."""
    folder = Folder(tmp_path_factory.mktemp("wine"))
    folder.write("study.yaml", STUDY)
    folder.hpo("run", "study.yaml")
    return folder


def looks(folder: Folder) -> list[tuple[int, int]]:
    """Return trial and number of trials of each look at the test part."""
    return stored(folder, "SELECT number, n_trials FROM test_looks")


def stored(folder: Folder, query: str) -> list:
    with sqlite3.connect(folder.path / "hpo.db") as connection:
        return connection.execute(query).fetchall()


def test_best_says_how_good_the_choice_really_is(wine):
    best = wine.json("best", "wine")
    assert list(best) == KEYS
    trials = wine.json("trials", "wine")
    score = max(trial["mean_test_score"] for trial in trials)
    assert best["mean_test_score"] == score
    low, high = best["corrected_interval"]
    assert 0 <= low <= best["corrected_score"] <= high <= 1 + 1e-9
    assert best["defaults_score"] == trials[0]["mean_test_score"]
    low_gain, high_gain = best["gain_interval"]
    assert low_gain <= best["gain"] <= high_gain
    base, over = best["baseline_score"], best["gain_over_baseline"]
    assert over == pytest.approx(best["corrected_score"] - base)
    assert best["gain_over_baseline_interval"] == pytest.approx(
        [low - base, high - base]
    )
    assert (best["nested_score"], best["test_looks"]) == (None, [])
    others = [t for t in trials if t["number"] != best["number"]]
    others.sort(key=lambda t: -t["mean_test_score"])
    told = [(r["number"], r["mean_test_score"]) for r in best["rivals"]]
    assert told == [(t["number"], t["mean_test_score"]) for t in others]
    for rival in best["rivals"]:
        chances = [rival[f"p_{how}"] for how in ("worse", "equal", "better")]
        assert sum(chances) == pytest.approx(1.0)
    shown = wine.hpo("best", "wine").stdout
    assert f"gain {over:+.4f} (95 %: {low - base:+.4f} to" in shown
    assert f"gain {best['gain']:+.4f} (95 %: {low_gain:+.4f} to" in shown
    assert f"take trial {best['number']} (best mean)" in shown
    for value in (score, best["corrected_score"], low, high, best["defaults_score"]):
        assert f"{value:.4f}" in shown
    assert "always the most frequent class" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_best_needs_no_code_and_no_data(wine, tmp_path):
    moved = Folder(tmp_path)
    (tmp_path / "hpo.db").write_bytes((wine.path / "hpo.db").read_bytes())
    assert moved.json("best", "wine") == wine.json("best", "wine")


def test_the_test_part_is_scored_when_it_is_asked_for_and_once(tmp_path):
    folder = Folder(tmp_path)
    folder.write("study.yaml", STUDY)
    folder.hpo("run", "study.yaml")
    assert folder.json("best", "wine")["test_score"] is None
    assert "hpo best wine --test" in folder.hpo("best", "wine").stdout
    assert looks(folder) == []
    first = folder.json("best", "wine", "--test")
    assert first["test_score"] is not None
    assert looks(folder) == [(first["number"], 6)]
    # What is known is not trained again, and no look.
    assert "training on all" not in folder.hpo("best", "wine", "--test").stderr
    assert looks(folder) == [(first["number"], 6)]
    assert folder.json("best", "wine") == first
    study = hpo.load_study("wine", f"sqlite:///{tmp_path / 'hpo.db'}")
    assert study.score_test() == first["test_score"]
    assert looks(folder) == [(first["number"], 6)]


def test_a_later_look_is_refused_until_it_is_insisted_on_and_then_flagged(tmp_path):
    folder = Folder(tmp_path)
    folder.write("study.yaml", STUDY.replace("trials: 6", "trials: 1"))
    folder.hpo("run", "study.yaml")
    folder.hpo("best", "wine", "--test")
    folder.hpo("run", "study.yaml", "--trials", "8")
    best = folder.json("best", "wine")
    assert best["number"] != 0, "this test needs a study that gets better"
    # The first look is not forgotten because another trial is better now.
    assert (best["test_score"], best["test_trial"]) == (None, 0)
    [(score, looked_at)] = stored(folder, "SELECT score, looked_at FROM test_looks")
    shown = folder.hpo("best", "wine")
    line = " ".join(shown.stdout.split())
    assert f"held-out test part {score:.4f} looked at {looked_at[:10]}" in line
    assert "after 1 trial, by trial 0, not the one to take" in line
    assert "not looked at" not in line
    assert "hpo best wine --test --again" in shown.stderr
    refused = folder.hpo("best", "wine", "--test", code=2)
    assert "has been looked at already" in refused.stderr
    assert "--again" in refused.stderr
    assert looks(folder) == [(0, 1)]
    again = folder.hpo("best", "wine", "--test", "--again")
    assert looks(folder) == [(0, 1), (best["number"], 8)]
    assert "looked at 2 times" in again.stderr
    assert again.stdout.count("not the one to take") == 1
    told = folder.json("best", "wine")
    assert told["test_trial"] == best["number"]
    assert [(x["number"], x["n_trials"]) for x in told["test_looks"]] == looks(folder)
    assert told["test_looks"][0]["score"] == score
    # Every look is shown, the first one first, whatever is chosen now.
    for words in (again.stdout, folder.hpo("best", "wine").stdout):
        line = " ".join(words.split())
        assert f"held-out test part {score:.4f} looked at {looked_at[:10]}" in line
        assert f"after 8 trials, by trial {best['number']}" in line
    folder.hpo("report", "wine")
    page = " ".join((tmp_path / "wine.html").read_text().split())
    assert f"All looks, the first one first: {score:.4f} by trial 0 on" in page
    # What is refused is told by the look that nothing had been learned from.
    folder.write("study.yaml", STUDY.replace("trials: 6", "trials: 8"))
    edited = (tmp_path / "study.yaml").read_text() + "select: one-se\n"
    folder.write("study.yaml", edited)
    folder.hpo("run", "study.yaml")
    if folder.json("best", "wine")["number"] not in (0, best["number"]):
        refused = folder.hpo("best", "wine", "--test", code=2)
        assert "looked at 2 times, first on" in " ".join(refused.stderr.split())
    study = hpo.load_study("wine", f"sqlite:///{tmp_path / 'hpo.db'}")
    assert len(study.result().looks) == 2


def test_one_se_takes_a_simpler_trial_everywhere(tmp_path):
    folder = Folder(tmp_path)
    folder.write("study.yaml", STUDY + "select: one-se\n")
    ended = folder.hpo("run", "study.yaml").stdout
    best = folder.json("best", "wine")
    trials = folder.json("trials", "wine")
    top = max(trials, key=lambda trial: trial["mean_test_score"])
    scores = [top[f"split{fold}_test_score"] for fold in range(3)]
    mean = sum(scores) / 3
    error = (sum((s - mean) ** 2 for s in scores) / 2 / 3) ** 0.5
    near = [t for t in trials if t["mean_test_score"] >= mean - error]
    # With one hidden layer the number of weights grows with its units.
    simplest = min(near, key=lambda t: t["params"]["units"])
    assert best["number"] == simplest["number"] != top["number"]
    assert f"best is trial {best['number']}" in ended
    assert "simplest within one standard error" in folder.hpo("best", "wine").stdout
    study = hpo.load_study("wine", f"sqlite:///{tmp_path / 'hpo.db'}")
    assert study.best_params == best["params"]


def test_nested_estimates_are_shown(tmp_path):
    folder = Folder(tmp_path)
    study = STUDY.replace("trials: 6", "trials: 3").replace(
        "folds: 3}", "folds: 3, nested: 2}"
    )
    folder.write("study.yaml", study)
    checked = folder.hpo("check", "study.yaml").stdout
    assert "the whole search again in 2 outer folds" in checked
    ran = folder.hpo("run", "study.yaml")
    assert "nested estimate: accuracy" in ran.stderr
    scores = [
        folder.json("best", f"wine outer {fold}")["test_score"] for fold in (1, 2)
    ]
    shown = folder.hpo("best", "wine").stdout
    assert folder.json("best", "wine")["nested_score"] == sum(scores) / 2
    mean = f"{sum(scores) / 2:.4f}"
    assert f"nested                  {mean}" in shown
    assert "between 2 outer folds" in shown
    folder.hpo("report", "wine")
    page = (tmp_path / "wine.html").read_text()
    assert f"{mean} ±" in page
    assert f"({', '.join(f'{score:.4f}' for score in scores)})" in page


def test_a_page_takes_the_place_of_a_page_and_of_nothing_else(wine):
    study = (wine.path / "study.yaml").read_text()
    for words in (
        ("report", "wine", "-o", "study.yaml"),
        ("compare", "wine", "wine", "-o", "study.yaml"),
    ):
        assert "holds something that is no page" in wine.hpo(*words, code=2).stderr
    assert (wine.path / "study.yaml").read_text() == study
    for _ in range(2):
        wine.hpo("report", "wine", "-o", "page.html", "--store", "sqlite:///hpo.db")
    wine.write("empty.html", "")
    wine.hpo("report", "wine", "-o", "empty.html")
    assert "hpo run wine.yaml --trials 6" in (wine.path / "page.html").read_text()


def test_an_objective_has_no_test_part_and_says_so(tmp_path):
    folder = Folder(tmp_path)
    folder.write("study.yaml", "name: f\nmodel: {objective: f:f}\nspace: {x: [1, 2]}\n")
    folder.write("f.py", "def f(params):\n    return params['x']\n")
    folder.hpo("run", "study.yaml")
    assert json.loads(folder.hpo("best", "f", "--format", "json").stdout)["number"]
    assert "objective" in folder.hpo("best", "f", "--test", code=2).stderr
    nested = "name: g\nmodel: {objective: f:f}\nspace: {x: [1, 2]}\n"
    folder.write("g.yaml", f"{nested}evaluation: {{nested: 3}}\n")
    for command in ("check", "run"):
        said = folder.hpo(command, "g.yaml", code=2).stderr
        assert "evaluation.nested: expected false, as an objective" in said
    study = hpo.load_study("f", f"sqlite:///{tmp_path / 'hpo.db'}")
    with pytest.raises(StudyError, match="objective"):
        study.score_test()


OBJECTIVE = """\
def f(params, fold):
    return {"accuracy": 80.0 + params["x"] + fold.index / 10}
"""


def test_an_accuracy_in_percent_is_not_cut_to_1(tmp_path):
    folder = Folder(tmp_path)
    folder.write("f.py", OBJECTIVE)
    folder.write(
        "study.yaml",
        "name: percent\ndata: {source: sklearn.wine}\nmodel: {objective: f:f}\n"
        "space: {x: {int: [1, 9]}}\nsearch: {strategy: random, trials: 4}\n"
        "evaluation: {folds: 5, metric: accuracy}\n",
    )
    folder.hpo("run", "study.yaml")
    best = folder.json("best", "percent")
    assert best["number"] > 0, "this test needs a study that gets better"
    # Every trial is as much better in every fold: a choice brings no optimism.
    assert best["corrected_score"] == pytest.approx(best["mean_test_score"], abs=0.1)
    assert best["baseline_score"] is None
    said = folder.hpo("best", "percent").stderr
    assert f"does not know that trial {best['number']} was chosen as the best" in said


def test_a_study_in_memory_has_a_result_and_no_file():
    study = hpo.optimize(lambda params: params["x"], {"x": hpo.Int(1, 9)}, trials=4)
    assert study.result().chosen.params == study.best_params
    with pytest.raises(StudyError, match="in memory"):
        study.report()


BUILDER = """\
from sklearn.linear_model import LogisticRegression


def build(params, data):
    return LogisticRegression(C=params["C"], max_iter=500)
"""


def test_changed_code_of_a_model_is_said_wherever_it_is_trained_again(tmp_path):
    folder = Folder(tmp_path)
    study = "name: own\ndata: {source: sklearn.iris}\nmodel: own:build\n"
    folder.write("study.yaml", f"{study}space: {{C: [0.1, 1.0]}}\n")
    folder.write("own.py", BUILDER)
    said = "the code of own:build has changed since the study began"
    folder.hpo("run", "study.yaml", "--trials", "1")
    assert said not in folder.hpo("run", "study.yaml", "--trials", "2").stderr
    assert said not in folder.hpo("export", "own", "--to", "before").stderr
    folder.write("own.py", BUILDER.replace("500", "5"))
    assert said in folder.hpo("run", "study.yaml", "--trials", "3").stderr
    assert said in folder.hpo("best", "own", "--test").stderr
    assert said in folder.hpo("export", "own", "--to", "after").stderr
    notes = [
        json.loads((tmp_path / name / "model.json").read_text())["notes"]
        for name in ("before", "after")
    ]
    assert [any(said in note for note in each) for each in notes] == [False, True]
    # Nobody needs the code to read what came of the study.
    (tmp_path / "own.py").unlink()
    assert folder.json("best", "own")["test_score"] is not None

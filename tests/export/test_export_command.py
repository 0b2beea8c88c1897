"""`hpo export` and `hpo predict`: the model of a study, used in another process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from command_folder import HPO, Folder
from export_samples import COLOUR, VALUES_STUDY, write_rows
from export_use import in_fresh_process, own_refit

import hpo
from hpo.errors import ExportError
from hpo.export.writing import refuse_taken


@pytest.mark.slow
def test_a_fresh_process_predicts_what_the_trained_network_does(trained):
    rows, expected = own_refit(trained.path, "classes")
    labels, shares = in_fresh_process(trained.path, "model", "test.csv")
    np.testing.assert_array_equal(shares.astype(expected.dtype), expected)
    classes = np.array(["=yes", "no"])
    np.testing.assert_array_equal(labels, classes[expected.argmax(axis=1)])
    done = trained.hpo("predict", "model", "test.csv")
    read = done.stdout.splitlines()
    assert read[0] == "prediction,probability_=yes,probability_no"
    assert [line.split(",")[0] for line in read[1:]] == list(labels)
    assert [float(line.split(",")[1]) for line in read[1:]] == list(shares[:, 0])
    assert len(rows) == len(read) - 1


@pytest.mark.slow
@pytest.mark.keras
def test_a_keras_network_of_scaled_targets_predicts_in_the_units_of_the_data(tmp_path):
    folder = Folder(tmp_path)
    write_rows(tmp_path / "rows.csv")
    folder.write("values.yaml", VALUES_STUDY)
    folder.hpo("run", "values.yaml", "--jobs", "1")
    folder.hpo("export", "values", "--to", "model", "--tracking", "none")
    rows, expected = own_refit(tmp_path, "values")
    (values,) = in_fresh_process(tmp_path, "model", "test.csv")
    assert values.shape == (len(rows), 2)
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    # Networks that are hardly trained are at least near the middle of each target.
    assert 8e5 < values[:, 0].mean() < 1.2e6
    assert abs(values[:, 1].mean()) < 0.1
    said = folder.hpo("predict", "model", "test.csv").stdout.splitlines()
    assert said[0] == "prediction_price,prediction_weight"


def test_what_is_in_the_folder(trained):
    folder = trained.path / "model"
    assert sorted(file.name for file in folder.iterdir()) == [
        "README.txt",
        "model.json",
        "model.skops",
        "preprocessing.skops",
        "study.yaml",
    ]
    assert (folder / "study.yaml").read_text().startswith("name: classes\n")
    assert len((folder / "README.txt").read_text().splitlines()) == 3
    told = json.loads((folder / "model.json").read_text())
    (best,) = [
        row
        for row in trained.json("trials", "classes")
        if row["number"] == told["trial"]
    ]
    assert told["params"] == best["params"]
    assert told["mean_test_score"] == best["mean_test_score"]
    assert told["std_test_score"] == best["std_test_score"]
    assert told["classes"] == {"type": "str", "labels": ["=yes", "no"]}
    assert [c["name"] for c in told["inputs"]["columns"]] == [
        "day",
        "x",
        "k",
        COLOUR,
        "ok",
    ]
    low, high = told["corrected_interval"]
    assert low <= told["corrected_score"] <= high
    assert told["test_score"] is None
    assert told["versions"]["numpy"] == np.__version__
    assert told["spec"]["name"] == "classes"


def test_neither_store_nor_data_nor_study_file_is_needed(trained, tmp_path):
    shutil.copytree(trained.path / "model", tmp_path / "model")
    rows = pd.read_csv(trained.path / "rows.csv").head(9)
    expected = hpo.load_model(trained.path / "model").predict(rows)
    rows.drop(columns=["label", "price"]).to_csv(tmp_path / "new.csv", index=False)
    folder = Folder(tmp_path)
    done = folder.hpo("predict", "model", "new.csv", "-o", "out.csv")
    assert done.stdout == ""
    assert "9 predictions written to out.csv" in done.stderr
    read = pd.read_csv(tmp_path / "out.csv")
    assert read.prediction.tolist() == expected.tolist()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "model",
        "new.csv",
        "out.csv",
    ]


def test_missing_and_unseen_cells_are_predicted_and_told(trained):
    rows = pd.read_csv(trained.path / "rows.csv").head(4).astype(object)
    rows.loc[:1, COLOUR] = "mauve"
    rows.loc[2:, ["x", "day", "ok", "k", COLOUR]] = None
    rows.to_csv(trained.path / "gaps.csv", index=False)
    done = trained.hpo("predict", "model", "gaps.csv")
    assert "2 rows with a category that the training rows do not have" in done.stderr
    shares = [
        [float(c) for c in line.split(",")[1:]] for line in done.stdout.splitlines()[1:]
    ]
    assert np.isfinite(shares).all()
    assert shares[2] == shares[3]


def test_mistakes_are_told_in_a_line_and_leave_no_file(trained):
    (trained.path / "few.csv").write_text("x,k\n1,2\n")
    done = trained.hpo("predict", "model", "few.csv", "-o", "no.csv", code=2)
    assert (
        "3 columns of the model missing: 'day', 'colour, \"odd\"', 'ok'" in done.stderr
    )
    done = trained.hpo("predict", "model", "absent.csv", code=2)
    assert "there is no such file" in done.stderr
    done = trained.hpo("predict", "rows.csv", "few.csv", code=2)
    assert "is no folder" in done.stderr
    done = trained.hpo("predict", "model", "rows.csv", "-o", "rows.csv", code=2)
    assert "holds the rows" in done.stderr
    done = trained.hpo("predict", "model", "rows.csv", "-o", "model/out.csv", code=2)
    assert "lies in the model's folder" in done.stderr
    assert not (trained.path / "no.csv").exists()


def test_only_a_file_of_predictions_is_written_anew(trained):
    out = trained.path / "notes.csv"
    out.write_text("what I must not lose\n")
    words = ("predict", "model", "rows.csv", "-o", "notes.csv")
    assert (
        "holds something that is no predictions" in trained.hpo(*words, code=2).stderr
    )
    assert out.read_text() == "what I must not lose\n"
    for before in ("", "prediction,probability_a\n", '"prediction"\n"a"\n'):
        out.write_text(before)
        trained.hpo(*words)
        assert len(pd.read_csv(out)) == 240
    out.unlink()


def test_predictions_go_through_a_link_and_into_a_pipe(trained):
    link, pipe = trained.path / "link.csv", trained.path / "pipe"
    link.symlink_to("far.csv")
    trained.hpo("predict", "model", "rows.csv", "-o", "link.csv")
    assert link.is_symlink()
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
    try:
        trained.hpo("predict", "model", "rows.csv", "-o", "pipe")
        assert pipe.is_fifo()
        got, _ = reader.communicate(timeout=60)
    finally:
        reader.kill()
    assert got == (trained.path / "far.csv").read_text()


def test_trials_and_folders_that_cannot_be_exported(trained):
    def refused(*words):
        given = ("export", *words, "--tracking", "none")
        return trained.hpo(*given, code=2).stderr

    assert "the folder is not empty" in refused("classes", "--to", "model")
    assert "this is a file" in refused("classes", "--to", "rows.csv")
    assert "has no trial 99" in refused("classes", "--to", "new", "--trial", "99")
    assert "--register" in refused("classes", "--to", "new", "--register", "x")
    for bad in ("a/b", "a:b", " "):
        said = refused("classes", "--to", "new", "--register", bad)
        assert "--register: expected a name without / and :" in said
    assert "no study" in refused("clases", "--to", "new")
    assert not (trained.path / "new").exists()


def test_an_empty_folder_is_taken_and_a_dangling_link_is_not(tmp_path):
    (tmp_path / "empty").mkdir()
    refuse_taken(tmp_path / "empty")
    refuse_taken(tmp_path / "deep" / "new")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ExportError):
        refuse_taken(tmp_path / "link")


@pytest.mark.slow
def test_another_trial_is_exported_by_its_number_and_from_python(trained):
    study = hpo.load_study("classes", store=trained.path / "hpo.db")
    worst = min(study.trials, key=lambda t: (t.score, t.number))
    other = next(t.number for t in study.trials if t.number != study.best_trial.number)
    model = study.export(trained.path / "other", trial=other)
    assert model.info["trial"] == other
    assert model.params["units"] == study.trials[other].params["units"]
    assert model.info["corrected_score"] is None
    assert worst.number in (other, study.best_trial.number)
    rows = pd.read_csv(trained.path / "rows.csv")
    again = hpo.load_model(trained.path / "other")
    np.testing.assert_array_equal(model.predict_proba(rows), again.predict_proba(rows))


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_leaves_a_whole_folder_or_none(trained, when):
    name = f"killed-{when}"
    environment = {"HPO_CRASH_AT": f"export.rename:{when}:1"}
    words = ("export", "classes", "--to", name, "--tracking", "none")
    trained.hpo(*words, code=137, env=environment)
    folder = trained.path / name
    if when == "before":
        assert not folder.exists()
        left = list(trained.path.glob(f".{name}.*.part*"))
        assert len(left) == 1, "what the kill left is in one place"
        trained.hpo(*words)
        assert not left[0].exists()
    assert len(list(folder.iterdir())) == 5
    hpo.load_model(folder)
    assert os.access(folder, os.R_OK)


def test_a_disk_that_is_full_leaves_nothing_and_is_told_in_a_line(trained):
    before = sorted(trained.path.iterdir())
    # No file may grow beyond 8 KiB, as a model does.
    limited = ["sh", "-c", 'ulimit -f 16 && exec "$@"', "sh", *HPO]
    words = ["export", "classes", "--to", "full", "--tracking", "none"]
    done = subprocess.run(
        [*limited, *words],
        cwd=trained.path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2
    told = (
        "the model cannot be written (File too large); make room on the disk, or name"
    )
    assert done.stderr.splitlines()[-1].startswith(told)
    assert sorted(trained.path.iterdir()) == before

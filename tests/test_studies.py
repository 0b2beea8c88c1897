"""The example studies: sound, runnable, and showing what they say they show."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from command_folder import Folder

from hpo.spec import read_study
from hpo.spec.model import NO_DATA
from hpo.study.prepare import prepare

STUDIES = Path(__file__).parents[1] / "studies"
FILES = sorted(STUDIES.rglob("*.yaml"))
WITHOUT_EPOCHS = {"wine-forest", "pipeline", "heater"}
every_study = pytest.mark.parametrize(
    "file", FILES, ids=lambda file: str(file.relative_to(STUDIES))
)


@pytest.fixture
def studies(tmp_path):
    """Return a copy of all studies, in which files may be written."""
    return shutil.copytree(STUDIES, tmp_path / "studies")


def comment_of(file: Path) -> list[str]:
    """Return the lines of the comment that a file begins with."""
    lines = file.read_text().splitlines()
    return lines[: next(i for i, line in enumerate(lines) if line[:1] != "#")]


@every_study
def test_every_study_says_first_what_it_shows_and_honestly_how_long_it_took(file):
    comment = comment_of(file)
    assert comment[0].startswith("# Shows: ")
    for line in comment:
        if "took" in line.lower():
            assert re.fullmatch(r"# Took \d+ s on 2 cores, start-up included\.", line)


@every_study
def test_the_readme_says_how_every_study_is_run_and_the_study_says_the_same(file):
    path = file.relative_to(STUDIES.parent)
    says = [line for line in comment_of(file) if line.startswith("# Run it: ")]
    assert says == [f"# Run it: hpo run {path}"]
    assert f"`hpo run {path}`" in (STUDIES / "README.md").read_text()


def test_the_readme_names_every_example_and_no_other():
    text = (STUDIES / "README.md").read_text()
    scripts = [
        path for path in STUDIES.rglob("*.py") if "\nRun it: " in path.read_text()
    ]
    assert scripts
    for path in scripts:
        command = f"python {path.relative_to(STUDIES.parent)}"
        assert f"\nRun it: {command}\n" in path.read_text()
        assert f"`{command}`" in text
    commands = re.findall(r"`(?:hpo run|python) (\S+)`", text)
    assert len(set(commands)) == len(commands) == len(FILES) + len(scripts)


def test_no_two_studies_have_the_same_name():
    names = [read_study(file).name for file in FILES]
    assert len(set(names)) == len(names)


@every_study
def test_every_study_has_data_and_folds(file):
    prepared = prepare(read_study(file))
    evaluation = prepared.spec.evaluation
    assert len(prepared.plan.folds) == evaluation.folds * evaluation.repeats
    if prepared.spec.data.name == NO_DATA:
        assert prepared.data.n_rows == 0
        return
    scored = np.concatenate([rows for _, rows in prepared.plan.folds])
    # Every row that is not held out is scored once in each repeat.
    n_rows = prepared.data.n_rows - prepared.n_test
    assert len(scored) == n_rows * evaluation.repeats


@pytest.mark.slow
@every_study
def test_every_study_runs(file, studies):
    copy = studies / file.relative_to(STUDIES)
    # Fewer epochs: that it runs is to be seen here, not how well.
    text, n_found = re.subn(r"(?m)^  epochs: \d+$", "  epochs: 2", copy.read_text())
    copy.write_text(text)
    assert n_found == (0 if file.stem in WITHOUT_EPOCHS else 1)
    folder = Folder(copy.parent)
    folder.hpo("run", copy.name, "--trials", "2", "--jobs", "2")
    assert folder.n_folds_stored() == 2 * read_study(copy).evaluation.n_folds


def test_depth_by_width_is_the_whole_map():
    space = read_study(STUDIES / "depth-by-width.yaml").space
    cells = [(cell["hidden_layers"], cell["units"]) for cell in space.grid]
    assert len(cells) == 35
    assert set(cells) == set(product([1, 2, 4, 8, 16], [1, 2, 4, 8, 16, 32, 64]))


def test_width_changes_nothing_but_the_width():
    space = read_study(STUDIES / "width.yaml").space
    cells = list(space.grid)
    assert len(cells) > 5
    assert {cell["hidden_layers"] for cell in cells} == {3}
    widths = [cell.pop("units") for cell in cells]
    assert widths == sorted(set(widths))
    assert all(cell == cells[0] for cell in cells)


def test_the_three_strategies_search_one_space_by_the_same_folds():
    specs = [read_study(file) for file in sorted(STUDIES.glob("strategies/*.yaml"))]
    documents = [spec.to_document() for spec in specs]
    assert [spec.search.strategy for spec in specs] == ["bayesian", "grid", "random"]
    for part in ("data", "model", "space", "evaluation"):
        assert all(document[part] == documents[0][part] for document in documents)
    assert len(list(specs[1].space.grid)) == 48  # as its comment says


def test_shallow_and_deep_differ_only_in_points_features_and_depth():
    folder = STUDIES / "shallow-or-deep"
    documents = {f.stem: read_study(f).to_document() for f in folder.glob("*.yaml")}
    names = product(["circles", "spirals"], ["shallow", "deep"], ["raw", "engineered"])
    assert set(documents) == {"-".join(name) for name in names}
    layers = {}
    for name, document in documents.items():
        points, depth, features = name.split("-")
        assert document.pop("name") == name
        assert document["data"].pop("source") == f"{points}:{features}"
        del document["data"]["target"]
        layers.setdefault(depth, document["space"].pop("hidden_layers"))
    first, *others = documents.values()
    assert all(other == first for other in others)
    assert layers == {"shallow": 1, "deep": {"int": [2, 5]}}


def test_both_sets_of_spirals_have_the_same_points(monkeypatch):
    monkeypatch.syspath_prepend(STUDIES / "shallow-or-deep")
    import spirals

    raw, engineered = spirals.raw(), spirals.engineered()
    assert list(raw.arm) == list(engineered.arm)
    assert sorted(raw.arm.value_counts()) == [300, 300]
    radius = np.sqrt(raw.x**2 + raw.y**2)
    np.testing.assert_allclose(engineered.radius, radius, rtol=1e-12)
    # The angle that was taken out is put back: the points are where they were.
    angle = np.arctan2(engineered.sine, engineered.cosine) + 5 * np.pi * radius
    np.testing.assert_allclose(radius * np.cos(angle), raw.x, atol=1e-9)
    np.testing.assert_allclose(radius * np.sin(angle), raw.y, atol=1e-9)


def test_both_sets_of_circles_have_the_same_points(monkeypatch):
    monkeypatch.syspath_prepend(STUDIES / "shallow-or-deep")
    import circles

    raw, engineered = circles.raw(), circles.engineered()
    assert list(raw.ring) == list(engineered.ring)
    assert sorted(raw.ring.value_counts()) == [300, 300]
    np.testing.assert_allclose(engineered.radius**2, raw.x**2 + raw.y**2, rtol=1e-12)
    means = engineered.groupby("ring").radius.mean()
    # Noise across the ring adds about noise**2 / (2 * radius) to the mean radius.
    assert means["inner"] == pytest.approx(0.5 + 0.15**2 / 1.0, abs=0.03)
    assert means["outer"] == pytest.approx(1.0 + 0.15**2 / 2.0, abs=0.03)


def test_the_weather_is_made_again_byte_for_byte(studies):
    folder = studies / "weather"
    table = folder / "synthetic_weather.csv"
    before = table.read_bytes()
    table.unlink()
    subprocess.run(
        [sys.executable, "-W", "error", "make_weather.py"], cwd=folder, check=True
    )
    assert table.read_bytes() == before


def test_the_weather_is_labelled_synthetic_wherever_it_is_met():
    folder = STUDIES / "weather"
    assert "SYNTHETIC" in "".join(comment_of(folder / "weather.yaml"))
    assert "SYNTHETIC" in (folder / "make_weather.py").read_text().splitlines()[0]
    assert read_study(folder / "weather.yaml").data.name == "synthetic_weather.csv"
    assert not [f for f in folder.glob("*.csv") if "synthetic" not in f.name]

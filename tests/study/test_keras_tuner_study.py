"""Studies of a hypermodel: its own space, as the file says it, from check to best."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_folder import Folder

from hpo.errors import SpecError
from hpo.models.keras_tuner_discovery import Discovered
from hpo.space import Categorical, Float, Int, Space
from hpo.study.discovery import merged

EXAMPLE = Path(__file__).parents[2] / "studies" / "keras-tuner"

FOUND = Discovered(
    space=Space(
        kind=["dense", "conv"],
        units=Int(8, 64, step=8, when={"kind": "dense"}),
        filters=Int(4, 8, when={"kind": "conv"}),
        pool=Categorical(("max", "mean"), when={"filters": (4, 5)}),
        rate=Float(0.0, 0.5),
        bias=[False, True],
    ),
    defaults={"kind": "dense", "units": 8},
    refused=("batch_size",),
)


def test_without_a_space_in_the_file_it_is_the_hypermodels():
    assert merged(FOUND, Space()) == FOUND.space


def test_an_entry_of_the_file_replaces_what_was_found_and_settings_are_added():
    space = merged(FOUND, Space(epochs=30, units=Int(8, 128, log=True), patience=[3]))
    assert list(space.declared) == [*FOUND.space.declared, "epochs", "patience"]
    assert space.declared["units"] == Int(8, 128, log=True, when={"kind": "dense"})


def test_values_of_the_file_have_the_hypermodels_types():
    space = merged(FOUND, Space(rate=[0, 0.5], units=[8.0, 16]))
    assert [type(v) for v in space.declared["rate"].choices] == [float, float]
    assert [type(v) for v in space.declared["units"].choices] == [int, int]
    assert merged(FOUND, Space(rate=Int(0, 2))).declared["rate"] == Float(
        0.0, 2.0, step=1.0
    )


def test_a_condition_of_the_file_takes_the_place_of_the_one_found():
    given = Space(bias=True, units=Int(8, 16, when={"bias": True}))
    assert merged(FOUND, given).declared["units"].when == {"bias": True}


def test_what_can_never_be_active_any_more_goes_with_what_depends_on_it():
    space = merged(FOUND, Space(kind="dense"))
    assert list(space.declared) == ["kind", "units", "rate", "bias"]
    half = merged(FOUND, Space(filters=[5, 6]))
    assert half.declared["pool"].when == {"filters": 5}


def test_a_whole_space_in_the_file_is_the_same_again():
    once = merged(FOUND, Space(kind=["conv"], epochs=3, rate=Float(0.1, 0.2)))
    assert merged(FOUND, once) == once


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"filter": 4}, r"space\.filter: .* no hyperparameter 'filter'; did you mean "),
        ({"batch_size": 8}, r"space\.batch_size: the fit of the hypermodel chooses"),
        ({"units": ["a"]}, r"space\.units: expected whole numbers, as .*; got a"),
        ({"units": Float(1, 2)}, r"space\.units: expected whole numbers"),
        ({"kind": 3}, r"space\.kind: expected texts"),
        ({"bias": 1}, r"space\.bias: expected true or false"),
        (
            {"units": Int(8, 16, repeat="filters"), "filters": Int(4, 8)},
            "asks for one value; remove `repeat`",
        ),
        (
            {"units": Int(8, 16, when={"kind": "dens"}), "kind": ["dens"]},
            None,
        ),
    ],
    ids=str,
)
def test_an_entry_that_does_not_fit_is_refused(given, message):
    if message is None:
        # A choice that the hypermodel does not list is a wider range, not a mistake.
        assert merged(FOUND, Space(**given)).declared["kind"].choices == ("dens",)
        return
    with pytest.raises(SpecError, match=message):
        merged(FOUND, Space(**given))


def test_a_hypermodel_without_hyperparameters_is_refused():
    nothing = Discovered(Space(), {})
    with pytest.raises(SpecError, match="nothing to search"):
        merged(nothing, Space())


# --- the command --------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    return Folder(tmp_path)


@pytest.mark.keras
@pytest.mark.slow
def test_check_shows_what_the_hypermodel_asks_for_with_its_defaults(folder):
    facts = folder.json("check", "digits.yaml")
    assert facts["space"]["kind"] == ["dense", "convolutional"]
    assert facts["space"]["units"] == {
        "choices": [16, 32, 64, 128],
        "when": {"kind": "dense"},
    }
    assert facts["space"]["batch_size"] == [32, 64, 128]  # asked for by its fit
    assert facts["space"]["epochs"] == 8
    assert facts["defaults"] == {
        "kind": "dense",
        "units": 64,
        "dropout": 0.0,
        "learning_rate": 0.001,
        "batch_size": 32,
        "epochs": 8,
    }


@pytest.mark.keras
@pytest.mark.slow
def test_a_study_runs_goes_on_and_has_the_same_trials_anyway(folder):
    text = (folder.path / "digits.yaml").read_text()
    text = text.replace("epochs: 8", "epochs: 2").replace("folds: 3", "folds: 2")
    folder.write("digits.yaml", text)
    folder.hpo("run", "digits.yaml", "--trials", "1", "--jobs", "1")
    folder.hpo("run", "digits.yaml", "--trials", "2", "--jobs", "2")
    first = folder.trial_table("keras-tuner-digits")
    (folder.path / "hpo.db").unlink()
    folder.hpo("run", "digits.yaml", "--trials", "2", "--jobs", "1")
    assert folder.trial_table("keras-tuner-digits") == first
    assert [row["state"] for row in first] == ["complete", "complete"]


@pytest.mark.keras
@pytest.mark.slow
def test_params_that_the_hypermodel_cannot_build_are_a_failed_trial(folder):
    folder.write(
        "network.py",
        "import keras\n\n"
        "def build(hp):\n"
        "    if hp.Choice('units', [4, -1]) < 0:\n"
        "        raise ValueError('too few units')\n"
        "    model = keras.Sequential([keras.layers.Dense(10, 'softmax')])\n"
        "    model.compile('adam', 'sparse_categorical_crossentropy')\n"
        "    return model\n",
    )
    folder.write(
        "network.yaml",
        "name: n\ndata: {source: sklearn.digits}\n"
        "model: {keras_tuner: network:build}\nspace: {epochs: 1}\n"
        "search: {strategy: grid}\nevaluation: {folds: 2}\n",
    )
    done = folder.hpo("run", "network.yaml")
    assert "note: it fails with units=-1: network.py:5: ValueError" in done.stderr
    complete, failed = folder.trial_table("n")
    assert (complete["state"], failed["state"]) == ("complete", "failed")
    assert "network.py:5: ValueError: too few units" in done.stderr


@pytest.mark.keras
@pytest.mark.slow
def test_a_hypermodel_that_fails_for_its_defaults_is_a_mistake_of_the_file(folder):
    folder.write("network.py", "def build(hp):\n    1 / hp.Int('units', 0, 3)\n")
    folder.write(
        "network.yaml",
        "name: n\ndata: {source: sklearn.digits}\n"
        "model: {keras_tuner: network:build}\n",
    )
    done = folder.hpo("run", "network.yaml", code=2)
    assert "network.yaml: model: network.py:2: ZeroDivisionError" in done.stderr


@pytest.mark.keras
@pytest.mark.slow
def test_the_coordinator_never_imports_tensorflow(folder):
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from hpo.spec import read_study\nfrom hpo.study import prepare\n"
        "prepared = prepare(read_study(Path('digits.yaml')))\n"
        "assert 'units' in prepared.spec.space.names\n"
        "assert not {'tensorflow', 'keras', 'keras_tuner'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=folder.path, check=True)

"""The Python of the example studies: right numbers, and the same trials each time."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from command_folder import Folder
from scipy.stats import binom, norm
from sklearn.metrics.pairwise import rbf_kernel

import hpo
from hpo.spec import read_study

STUDIES = Path(__file__).parents[1] / "studies"


@dataclass
class FakeFold:
    """What an objective reads of a fold, and what it reported."""

    seed: int = 0
    X_train: np.ndarray | None = None
    X_val: np.ndarray | None = None
    curve: list[float] = field(default_factory=list)

    def report(self, epoch, value):
        assert epoch == len(self.curve) + 1
        self.curve.append(value)


@pytest.fixture
def load(monkeypatch):
    """Return what imports the module of an example."""

    def loaded(path):
        file = STUDIES / path
        monkeypatch.syspath_prepend(file.parent)
        return importlib.import_module(file.stem)

    return loaded


@pytest.fixture
def example(tmp_path):
    """Return what copies an example into an empty folder, to be run there."""

    def copied(name):
        ignored = shutil.ignore_patterns("__pycache__", "*.db")
        return Folder(shutil.copytree(STUDIES / name, tmp_path / name, ignore=ignored))

    return copied


def run_script(folder, name, *, n_trials=None):
    """Run a script of an example as its reader does; warnings are errors."""
    if n_trials is not None:
        text = (folder.path / name).read_text()
        text, n_found = re.subn(r'("trials": |n_iter=)\d+', rf"\g<1>{n_trials}", text)
        assert n_found == 1
        (folder.path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-W", "error", name],
        cwd=folder.path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# The variational autoencoder


@pytest.mark.keras
def test_log_likelihood_is_that_of_sixteen_dots_a_pixel(load):
    vae = load("vae/vae.py")
    rng = np.random.default_rng(0)
    n_inked = rng.integers(0, 17, (5, 64))
    logits = rng.normal(0, 3, (5, 64))
    outputs = np.hstack([logits, rng.normal(size=(5, 6))]).astype("float32")
    found = np.asarray(vae.log_likelihood((n_inked / 16).astype("float32"), outputs))
    expected = binom.logpmf(n_inked, 16, 1 / (1 + np.exp(-logits))).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)  # single precision


@pytest.mark.keras
def test_divergence_from_the_standard_normal_is_as_worked_out_by_hand(load):
    vae = load("vae/vae.py")
    x = np.zeros((3, 1), "float32")
    means = [[0, 0], [1, 2], [0, 3]]
    log_variances = [[0, 0], [0, 0], [0, np.log(4)]]
    outputs = np.hstack([x, means, log_variances]).astype("float32")
    # 0; (1 + 4) / 2; (9 + 4 - log 4 - 1) / 2 = 6 - log 2
    expected = [0, 2.5, 6 - np.log(2)]
    np.testing.assert_allclose(np.asarray(vae.divergence(x, outputs)), expected, 1e-5)


@pytest.mark.keras
def test_elbo_lacks_of_the_evidence_what_the_guess_of_z_lacks_of_the_posterior(load):
    """ELBO = log p(x) - KL(q || p(z | x)), each side by sums over a fine grid of z."""
    vae = load("vae/vae.py")
    z, step = np.linspace(-9, 9, 6001, retstep=True)
    n_inked, logits = 11, 1.5 * z - 0.4
    mean, variance = 0.7, 0.3
    x = np.full((len(z), 1), n_inked / 16, "float32")
    outputs = np.stack([logits, 0 * z + mean, 0 * z + np.log(variance)], axis=1)
    outputs = outputs.astype("float32")
    guess = norm.pdf(z, mean, np.sqrt(variance))
    explained = (guess * np.asarray(vae.log_likelihood(x, outputs))).sum() * step
    elbo = explained - float(vae.divergence(x, outputs)[0])

    joint = norm.pdf(z) * binom.pmf(n_inked, 16, 1 / (1 + np.exp(-logits)))
    evidence = joint.sum() * step
    posterior = joint / evidence
    lacking = (guess * (np.log(guess) - np.log(posterior))).sum() * step
    assert lacking > 0.01
    assert elbo == pytest.approx(np.log(evidence) - lacking, abs=1e-4)


@pytest.mark.keras
def test_z_is_drawn_with_the_mean_and_the_variance_that_the_encoder_says(load):
    vae = load("vae/vae.py")
    mean = np.tile(np.float32([0, 5]), (20_000, 1))
    log_variance = np.tile(np.float32(np.log([1, 9])), (20_000, 1))
    z = np.asarray(vae.Draw(seed=1)(mean, log_variance))
    # Within four standard errors.
    np.testing.assert_allclose(z.mean(axis=0), [0, 5], atol=4 * 3 / 20_000**0.5)
    np.testing.assert_allclose(z.std(axis=0), [1, 3], rtol=4 / (2 * 20_000) ** 0.5)


@pytest.mark.keras
@pytest.mark.slow
def test_the_autoencoder_returns_the_elbo_it_reports_and_learns(load):
    vae = load("vae/vae.py")
    X = np.random.default_rng(0).binomial(16, [[0.1] * 32 + [0.9] * 32], (300, 64))
    fold = FakeFold(7, X[:200].astype(float), X[200:].astype(float))
    params = {"latent": 2, "width": 32, "beta": 2, "learning_rate": 0.01, "epochs": 6}
    metrics = vae.elbo(params, fold)
    assert metrics["elbo"] == metrics["log_likelihood"] - metrics["divergence"]
    assert fold.curve[-1] == metrics["elbo"]
    assert len(fold.curve) == 6
    assert fold.curve[0] < fold.curve[-1]
    # No model can expect more of these images than the truth that drew them.
    best = binom.logpmf(X[200:], 16, [0.1] * 32 + [0.9] * 32).sum(axis=1).mean()
    assert metrics["elbo"] < best


# The adversarial network


def mmd_between_gaussians(shift, spread, bandwidth):
    """Return the squared MMD of two round normal distributions in the plane.

    The kernel's mean over x - y, which is normal with variance 2 * spread**2 in each
    direction, is a Gaussian integral.
    """
    wide = bandwidth**2 + 2 * spread**2
    return 2 * bandwidth**2 / wide * (1 - np.exp(-(shift**2) / (2 * wide)))


@pytest.mark.keras
def test_distance_between_two_normal_distributions_is_the_closed_form(load):
    gan = load("gan/gan.py")
    rng = np.random.default_rng(0)
    found = [
        gan.squared_mmd(
            rng.normal(0, 0.4, (200, 2)), rng.normal([0.9, 0], 0.4, (200, 2)), 0.5
        )
        for _ in range(100)
    ]
    error = np.std(found) / len(found) ** 0.5
    expected = mmd_between_gaussians(0.9, 0.4, 0.5)
    assert np.mean(found) == pytest.approx(expected, abs=4 * error)
    assert error < 0.01 * expected


@pytest.mark.keras
def test_distance_is_that_of_pairs_of_different_points(load):
    gan = load("gan/gan.py")
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(6, 2)), rng.normal(0.5, 2, size=(9, 2))
    gamma = 1 / (2 * 0.7**2)

    def among(x):
        kernel = rbf_kernel(x, gamma=gamma)
        return np.mean(kernel[~np.eye(len(x), dtype=bool)])

    expected = among(a) + among(b) - 2 * rbf_kernel(a, b, gamma=gamma).mean()
    assert gan.squared_mmd(a, b, 0.7) == pytest.approx(expected, rel=1e-12)


@pytest.mark.keras
def test_distance_between_samples_of_one_distribution_is_zero_on_average(load):
    gan = load("gan/gan.py")
    rng = np.random.default_rng(2)
    found = [
        gan.squared_mmd(gan.true_points(20, rng), gan.true_points(20, rng))
        for _ in range(400)
    ]
    error = np.std(found) / len(found) ** 0.5
    assert abs(np.mean(found)) < 4 * error
    assert min(found) < 0 < max(found)


@pytest.mark.keras
def test_true_points_lie_around_eight_dots_on_a_ring(load):
    gan = load("gan/gan.py")
    points = gan.true_points(8000, np.random.default_rng(3))
    angles = np.arange(8) * np.pi / 4
    dots = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    distances = np.linalg.norm(points[:, None] - dots, axis=2)
    # Each dot has an eighth of the points, within five standard errors (30).
    counts = np.bincount(distances.argmin(axis=1), minlength=8)
    np.testing.assert_allclose(counts, 1000, atol=150)
    # The distance in the plane squared is 2 * spread**2 on average.
    assert (distances.min(axis=1) ** 2).mean() == pytest.approx(2 * 0.2**2, rel=0.05)


@pytest.mark.keras
@pytest.mark.slow
def test_the_generator_comes_nearer_to_the_truth_the_same_way_each_time(load):
    gan = load("gan/gan.py")
    params = {
        "latent": 4,
        "width": 64,
        "learning_rate": 0.002,
        "discriminator_speed": 2.0,
        "epochs": 12,
    }
    first, again, other = FakeFold(5), FakeFold(5), FakeFold(6)
    assert gan.distance(params, first) == first.curve[-1]
    assert len(first.curve) == 12
    assert first.curve[-1] < first.curve[0] / 2
    gan.distance(params, again)
    gan.distance(params, other)
    assert again.curve == first.curve != other.curve


# The convolutional network


@pytest.mark.keras
def test_the_convolutional_network_has_the_size_that_its_params_say(load):
    cnn = load("cnn/cnn.py")
    data = SimpleNamespace(
        feature_shape=(64,), output_units=10, output_activation="softmax"
    )
    params = {"depth": 2, "filters": 4, "kernel": 3, "dropout": 0.5}
    model = cnn.build(params, data)
    # Weights and biases of two convolutions, then of 2 x 2 pixels by 8 filters.
    expected = (9 * 4 + 4) + (9 * 4 * 8 + 8) + (2 * 2 * 8 * 10 + 10)
    assert model.count_params() == expected
    answers = np.asarray(model(np.random.default_rng(0).uniform(0, 16, (3, 64))))
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    assert model.layers[-2].rate == 0.5


# The pipeline


def test_the_pipeline_is_built_with_every_hyperparameter_of_the_study(load):
    forest = load("pipeline/forest.py")
    space = read_study(STUDIES / "pipeline" / "pipeline.yaml").space
    params = space.defaults({})
    built = forest.build(params, None).get_params()
    assert len(params) == 4
    assert {name: built[name] for name in params} == params


def test_search_cv_searches_the_space_of_the_study():
    text = (STUDIES / "pipeline" / "search_cv.py").read_text()
    (written,) = re.findall(r"(?s)^space = (\{.*?^\})", text, re.MULTILINE)
    space = hpo.Space(**eval(written, {"hpo": hpo}))  # of our own file
    spec = read_study(STUDIES / "pipeline" / "pipeline.yaml")
    assert space == spec.space
    assert f"n_iter={spec.search.trials}," in text
    assert f"cv={spec.evaluation.folds}," in text
    assert f'scoring="{spec.evaluation.metric}"' in text


@pytest.mark.slow
def test_search_cv_finds_the_same_each_time(example):
    folder = example("pipeline")
    first = run_script(folder, "search_cv.py", n_trials=3)
    assert re.search(r"ROC AUC of the test part: 0\.\d{4}\n", first)
    assert run_script(folder, "search_cv.py", n_trials=3) == first


# The objective that is no network


def test_a_room_that_nobody_heats_cools_towards_the_outside(load):
    heater = load("objective/heater.py")
    off = {"p": 0.0, "i": 0.0, "d": 0.0}
    found = [heater.discomfort(off, FakeFold(seed)) for seed in range(300)]
    # Outside stays at 5 on average, and the 5 degrees above it decay geometrically.
    decay = 1 - 60 * 10 / 40_000
    expected = 20 - 5 - 5 * (decay ** np.arange(1, 181)).mean()
    error = np.std(found) / len(found) ** 0.5
    assert np.mean(found) == pytest.approx(expected, abs=4 * error)
    assert error < 0.1


def test_full_power_warms_the_room_as_the_balance_of_heat_says(load, monkeypatch):
    heater = load("objective/heater.py")
    monkeypatch.setattr(heater, "N_STEPS", 60)
    full = {"p": 1e9, "i": 0.0, "d": 0.0}
    found = [heater.discomfort(full, FakeFold(seed)) for seed in range(50)]
    # Towards 5 + 2000 / 60 degrees, until it is 20 after 37 steps.
    limit, decay = 5 + 2000 / 60, 1 - 60 * 10 / 40_000
    room = limit - (limit - 10) * decay ** np.arange(1, 61)
    warming = np.maximum(20 - room, 0).mean()
    assert np.mean(found) == pytest.approx(warming, rel=0.05)


def test_the_heater_differs_between_repetitions_and_not_between_calls(load):
    heater = load("objective/heater.py")
    params = {"p": 500.0, "i": 5.0, "d": 100.0}
    first, again, other = (
        heater.discomfort(params, FakeFold(seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.slow
def test_the_heater_has_one_table_from_yaml_from_python_and_for_any_workers(example):
    folder = example("objective")
    study = ["run", "heater.yaml", "--trials", "8"]
    folder.hpo(*study, "--jobs", "1", "--name", "one")
    folder.hpo(*study, "--jobs", "2", "--name", "two")
    assert folder.trial_table("one") == folder.trial_table("two")
    out = run_script(folder, "optimize.py", n_trials=8)
    assert run_script(folder, "optimize.py", n_trials=8) == out
    store = f"sqlite:///{folder.path}/hpo.db"
    from_file = hpo.load_study("one", store)
    from_python = hpo.load_study("heater", f"sqlite:///{folder.path}/heater.db")
    assert from_file.space == from_python.space
    assert [t.params for t in from_file.trials] == [
        t.params for t in from_python.trials
    ]
    assert [t.score for t in from_file.trials] == [t.score for t in from_python.trials]
    assert f"best of 8 trials: {from_file.best_score:.3f} degrees" in out


def test_optimize_searches_as_the_study_file_says():
    text = (STUDIES / "objective" / "optimize.py").read_text()
    spec = read_study(STUDIES / "objective" / "heater.yaml")
    assert f'"trials": {spec.search.trials}, "folds": {spec.evaluation.folds}' in text


@pytest.mark.slow
def test_asking_and_telling_finds_the_best_soup_the_same_way_each_time(example):
    folder = example("objective")
    out = run_script(folder, "ask_and_tell.py")
    grade = float(re.search(r"best grade: (\S+)\n", out)[1])
    assert 9 < grade <= 10
    assert run_script(folder, "ask_and_tell.py") == out


@pytest.mark.keras
@pytest.mark.slow
@pytest.mark.parametrize("name", ["gan", "vae"])
def test_networks_have_the_same_trials_for_one_and_two_workers(name, example):
    folder = example(name)
    file = folder.path / f"{name}.yaml"
    file.write_text(re.sub(r"(?m)^  epochs: \d+$", "  epochs: 2", file.read_text()))
    for jobs in ("1", "2"):
        words = ("--trials", "2", "--jobs", jobs, "--name", f"with-{jobs}")
        folder.hpo("run", file.name, *words)
    assert folder.trial_table("with-1") == folder.trial_table("with-2")

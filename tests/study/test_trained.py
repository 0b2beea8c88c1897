"""How stored trials were trained, in words, and whether versions have changed since."""

from __future__ import annotations

from importlib import metadata

import pytest

from hpo.errors import StudyError
from hpo.records import FoldResult, Trial
from hpo.study.trained import (
    fit_words,
    other_versions,
    require_versions,
    trained_by,
    trained_words,
    versions,
)

NOW = {"keras": "3.15.1", "tensorflow": "2.22.0rc1", "scikit-learn": "1.9.1"}


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """Have the versions of ``NOW`` installed and nothing else."""

    def version(name):
        if name in NOW:
            return NOW[name]
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)


def trials(*engines):
    """One trial for each list of engines of its folds."""
    return [
        Trial(n, {}, folds=tuple(FoldResult(f, engine=e) for f, e in enumerate(texts)))
        for n, texts in enumerate(engines)
    ]


def test_texts_are_counted_by_folds_and_the_most_frequent_comes_first():
    fit = "keras 3.15.1 tensorflow 2.21.0 fit: custom train_step"
    stacked = "keras 3.15.1 tensorflow 2.21.0 stacked"
    counts = trained_by(trials([fit, stacked], [stacked, ""], ["objective"]))
    assert list(counts.items()) == [(stacked, 2), (fit, 1)]
    assert trained_words(counts) == f"{stacked} (2 folds); {fit} (1 fold)"


def test_what_took_fit_is_told_with_its_reasons_and_nothing_else_is():
    of = "keras 3.15.1 tensorflow 2.21.0"
    assert fit_words(trials([f"{of} stacked", f"{of} scan"], ["objective"])) is None
    custom, check = f"{of} fit: custom train_step", f"{of} fit: self-check: x"
    assert fit_words(trials([custom, check], [custom, f"{of} scan"])) == (
        "3 of 4 folds were trained by Keras' own fit, which takes longer than a "
        "compiled program: custom train_step; self-check: x"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("keras 3.15.1 jax 0.10.2 stacked", "keras 3.15.1 jax 0.10.2"),
        ("keras 3.15.1 tensorflow 2.21.0 fit: layer 3 x", "keras 3.15.1 tensorflow 2"),
        ("scikit-learn 1.9.1", "scikit-learn 1.9.1"),
        ("objective", ""),
        ("", ""),
    ],
)
def test_versions_are_what_a_text_begins_with(text, found):
    assert versions(text).startswith(found)
    assert versions(text).count(" ") in (0, 1, 3)


@pytest.mark.parametrize(
    "text",
    [
        "keras 3.15.1 tensorflow 2.22.0rc1 stacked",
        "keras 3.15.1 tensorflow 2.22.0-rc1 fit",  # the same, as the package writes it
        "scikit-learn 1.9.1",
        "of_mine 2.0 fit",  # not known here: nothing can be said
        "objective",
    ],
)
def test_the_same_versions_are_nothing_to_tell(text):
    assert other_versions(trials([text])) is None


def test_another_keras_or_backend_is_refused_with_both_versions_and_the_way_out():
    old = "keras 3.14.0 tensorflow 2.22.0rc1"
    stored = trials([f"{old} stacked", f"{old} fit"], [f"{old} stacked"])
    assert other_versions(stored) is None
    with pytest.raises(StudyError) as caught:
        require_versions("mine", stored)
    said = str(caught.value)
    assert said.count(old) == 1
    assert said.count("keras 3.15.1 tensorflow 2.22.0rc1") == 1
    assert "pip install keras==3.14.0 tensorflow==2.22.0rc1" in said
    assert "--name NEW" in said
    require_versions("mine", trials(["keras 3.15.1 tensorflow 2.22.0-rc1 stacked"]))
    require_versions("mine", trials(["scikit-learn 1.8.0"]))
    require_versions("mine", [])


def test_a_change_of_one_of_several_is_told():
    said = other_versions(trials(["scikit-learn 1.9.1"], ["scikit-learn 1.8.0"]))
    assert said is not None
    assert "by scikit-learn 1.8.0, and from now on it is scikit-learn 1.9.1" in said
    assert other_versions([]) is None

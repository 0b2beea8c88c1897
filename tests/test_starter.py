"""Starter studies: whatever the table is called, what is written reads back."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from hpo.spec import read_study
from hpo.spec.facts import Facts
from hpo.spec.starter import digits, quoted, starter, study_name

PLAIN = Facts(
    name="shop",
    file="shop.yaml",
    source="shop.csv",
    n_rows=1000,
    n_features=5,
    target="sold",
    why_target="the last column",
    others=("price",),
    drop=(),
    dates=(),
    groups=(),
    task="classification",
    counts=(("no", 600), ("yes", 400)),
)
ODD_NAMES = [
    *("yes", "No", "on", "y", "null", "~", "3", "1e-4", ".5", "0x1f", "2024-01-01"),
    *("a: b", "a:", "# x", "x # y", "- a", "[a, b]", "{a}", "&a", "*a", "!a", "%a"),
    *(
        "it's",
        'say "hi"',
        "back\\slash",
        "größe (m²)",
        "温度",
        "🌧",
        "a,b",
        "?",
        "|",
        ">",
    ),
    *("Unnamed: 0", "@home", "`x`", "=1+1", " .", "a\u00a0b", "a\u2028b", "\ufeffa"),
    *("true", "NaN", ".inf", "<<", "...", "---", "'", '"', "a\tb", "line\nbreak"),
]
# Each example writes and reads a file, whose time is the disk's.
relaxed = settings(deadline=None, max_examples=60)
# Study files refuse control characters but tabs and line ends.
names = st.text(
    st.one_of(
        st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf")),
        st.sampled_from("\n\t :#'\"\\"),
    ),
    min_size=1,
    max_size=60,
)


def read(text: str, where: Path):
    file = where / "study.yaml"
    file.write_text(text, encoding="utf-8")
    return read_study(file)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_name_is_read_back_by_another_reader_of_yaml(name):
    assert YAML(typ="safe").load(f"a: [{quoted(name)}]") == {"a": [name]}


@relaxed
@given(target=names, dropped=st.lists(names, max_size=4, unique=True))
@example(target="yes", dropped=["a: b", "# no", "- x", "3", "null"])
@example(target="a\u00a0b", dropped=["\U0001f327", "'", '"', "\\"])
def test_whatever_columns_are_called_the_study_names_the_same(target, dropped):
    dropped = [name for name in dropped if name != target]
    facts = replace(
        PLAIN,
        target=target,
        others=(target[::-1], *dropped),
        drop=tuple((name, f"because of {name}") for name in dropped),
        dates=(target[::-1],),
        groups=(target,),
        source=f"{target}.csv",
        counts=((target, 700), (target[::-1], 10)),
    )
    with tempfile.TemporaryDirectory() as folder:
        spec = read(starter(facts), Path(folder))
    assert spec.data.target == target
    assert list(spec.data.drop) == dropped
    assert spec.data.source == f"{target}.csv"


@relaxed
@given(st.text(max_size=300))
def test_a_study_has_a_name_whatever_the_file_is_called(stem):
    facts = replace(PLAIN, name=study_name(stem))
    with tempfile.TemporaryDirectory() as folder:
        assert read(starter(facts), Path(folder)).name == facts.name


@relaxed
@given(
    n_rows=st.integers(2, 10**6),
    n_features=st.integers(1, 3000),
    rarest=st.integers(2, 10**5),
    n_classes=st.integers(0, 30),
    positive=st.booleans(),
)
def test_every_size_of_table_gets_a_study_that_can_be_read(
    n_rows, n_features, rarest, n_classes, positive
):
    n_rows = max(n_rows, rarest * max(n_classes, 1))
    counts = tuple((f"c{i}", rarest) for i in range(n_classes - 1))
    most = n_rows - sum(n for _, n in counts)
    facts = replace(
        PLAIN,
        n_rows=n_rows,
        n_features=n_features,
        task="classification" if n_classes > 1 else "regression",
        counts=(("big", most), *counts) if n_classes > 1 else (),
        positive=positive,
    )
    text = starter(facts)
    with tempfile.TemporaryDirectory() as folder:
        spec = read(text, Path(folder))
    sizes = spec.space.hyperparameters["batch_size"].values
    assert max(sizes) <= facts.n_fitted <= n_rows
    assert len(text.splitlines()) <= 60


def test_the_study_of_the_digits_is_short_and_reads(tmp_path):
    text = digits("study.yaml", "digits")
    assert len(text.splitlines()) <= 60
    assert max(map(len, text.splitlines())) <= 80
    spec = read(text, tmp_path)
    assert (spec.name, spec.data.source, spec.model) == (
        "digits",
        "sklearn.digits",
        "keras-mlp",
    )


def test_every_key_that_holds_a_value_is_explained():
    bare = [
        line
        for before, line in zip(
            ["", *starter(PLAIN).splitlines()],
            starter(PLAIN).splitlines(),
            strict=False,
        )
        if not line.rstrip().endswith(":")
        and "#" not in line
        and not before.strip().startswith("#")
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("rarest", "folds", "test_size"),
    [(400, 5, 0.2), (7, 5, 0.2), (6, 4, 0.2), (4, 3, 0.2), (3, 3, 0.0), (2, 2, 0.0)],
)
def test_a_rare_class_lowers_the_folds_and_says_why(rarest, folds, test_size, tmp_path):
    facts = replace(PLAIN, counts=(("no", 600), ("yes", rarest)))
    text = starter(facts)
    spec = read(text, tmp_path)
    assert (spec.evaluation.folds, spec.data.test_size) == (folds, test_size)
    assert ("merge it with another" in text) == (folds < 5)


@pytest.mark.parametrize(
    ("counts", "metric"),
    [
        ((("a", 500), ("b", 500)), "accuracy"),
        ((("a", 740), ("b", 260)), "accuracy"),
        ((("a", 750), ("b", 250)), "balanced_accuracy"),
    ],
)
def test_classes_of_unequal_size_are_judged_by_balanced_accuracy(
    counts, metric, tmp_path
):
    spec = read(starter(replace(PLAIN, counts=counts)), tmp_path)
    assert spec.evaluation.metric == metric
    assert ("class_weight" in spec.space.hyperparameters) == (metric != "accuracy")


def test_a_date_and_an_entity_are_suggested_not_used(tmp_path):
    facts = replace(PLAIN, dates=("day",), groups=("patient id",))
    text = starter(facts)
    assert "  # order: day" in text
    assert '  # group: "patient id"' in text
    spec = read(text, tmp_path)
    assert (spec.data.order, spec.data.group) == (None, None)
    for key in ("order", "group"):
        uncommented = read(text.replace(f"# {key}:", f"{key}:"), tmp_path)
        assert getattr(uncommented.data, key)

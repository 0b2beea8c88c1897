"""One value on a command line means what it means in a study file."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpo.errors import SpecError
from hpo.spec import read_study
from hpo.spec.scalar import read_scalar

TEXTS = [
    "64",
    "1e-3",
    "0.5",
    "true",
    "no",
    "null",
    "~",
    "relu",
    "'64'",
    "0x10",
    "-1",
    '""',
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_value_is_read_as_a_study_file_reads_it(text, tmp_path: Path):
    file = tmp_path / "s.yaml"
    file.write_text(
        "name: s\ndata: {source: sklearn.iris}\n"
        "model: sklearn.tree.DecisionTreeClassifier\n"
        f"space: {{max_depth: {{value: {text}}}}}\n"
    )

    class AnyValue:
        def problems(self, *of_space):
            return []

    spec = read_study(file, find_family=lambda name: AnyValue())
    (in_file,) = spec.space.declared["max_depth"].values
    value = read_scalar(text, "-p x")
    assert (value, type(value)) == (in_file, type(in_file))


@pytest.mark.parametrize(
    "text",
    ["[1, 2]", "{a: 1}", "a: 1", "!!int 3", "&a 1", "*a", "1\n---\n2", "'", "", "%"],
)
def test_what_is_no_plain_value_is_refused(text):
    with pytest.raises(SpecError, match=r"^-p x: expected one value"):
        read_scalar(text, "-p x")


@pytest.mark.parametrize("text", [".inf", ".nan", "1e999", str(2**60), "x" * 5000])
def test_a_value_beyond_the_limits_of_a_study_file_is_refused(text):
    with pytest.raises(SpecError, match=r"^-p x: expected"):
        read_scalar(text, "-p x")

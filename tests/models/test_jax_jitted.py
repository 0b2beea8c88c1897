"""Functions that JAX compiles, of which not every program is kept."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from hpo.models.jax_jitted import Jitted


def test_programs_go_when_there_are_many_and_come_back_when_they_are_needed():
    # JAX does not go with tests that fork.
    subprocess.run([sys.executable, __file__], check=True)


def check():
    pytest.importorskip("jax")
    traced = []

    def total(tree):
        traced.append(tree["x"].shape)
        return tree["x"].sum() + tree["y"]

    def asked(n, y=1, kind="float32"):
        return float(jitted({"x": np.ones(n, "float32"), "y": np.array(y, kind)}))

    jitted = Jitted(total, limit=2)
    assert [asked(n) for n in (3, 4, 3, 4)] == [4.0, 5.0, 4.0, 5.0]
    assert traced == [(3,), (4,)]
    assert asked(5) == 6.0
    assert len(jitted) == jitted._jitted._cache_size() == 1
    assert asked(3) == 4.0
    assert traced == [(3,), (4,), (5,), (3,)]
    # A value of another type is another form.
    assert asked(3, 2, "int32") == 5.0
    assert len(jitted) == 1


if __name__ == "__main__":
    check()

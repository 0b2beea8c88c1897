"""Functions that JAX compiles, of which not every program is kept."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from hpo.models import jax_jitted
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


def test_what_runs_only_a_few_times_is_compiled_with_little_effort():
    subprocess.run([sys.executable, __file__, "little"], check=True)


def check_little_effort():
    pytest.importorskip("jax")
    assert jax_jitted._are_known(), "XLA has dropped an option"
    twice = jax_jitted.jitted_for_little_use(lambda x: {"y": x["x"] * 2})
    assert twice({"x": np.float32(4)})["y"] == 8
    # Another XLA may not know one of them.
    jax_jitted.LITTLE_EFFORT["xla_of_tomorrow"] = 1
    jax_jitted._are_known.cache_clear()
    assert jax_jitted.jitted_for_little_use(lambda x: x + 1)(1) == 2


if __name__ == "__main__":
    check_little_effort() if "little" in sys.argv else check()

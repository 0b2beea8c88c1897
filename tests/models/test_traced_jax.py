"""Compiled epochs on the JAX backend against Keras' own ``fit`` there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.keras, pytest.mark.slow]

CHILD = """
import sys
from pathlib import Path
import numpy as np
from builder_samples import Code, KERAS, X_iris, request, y_iris
from hpo.models import traced_choice, traced_jax

family = Code(Path(sys.argv[1]), "user_jax").family(KERAS)
requests = [request("multiclass", seed=k, batch_size=8, patience=2) for k in (1, 2)]

def trained(kind):
    found = [family.fit_group([each])[0] for each in requests]
    assert all(f" {kind}" in each.engine for each in found), found
    return [each.model.predict_proba(X_iris) for each in found]

found = trained("scan")
def folds(kind):
    trial = [
        request("multiclass", seed=k, batch_size=8, X=X_iris[k:], y=y_iris[k:])
        for k in (1, 2, 3)
    ]
    got = family.fit_group(trial)
    if kind != "stacked":
        got = [family.fit_group([each])[0] for each in trial]
    assert all(f" {kind}" in each.engine for each in got), got
    return [each.model.predict_proba(X_iris) for each in got]

few = folds("scan: few updates: a stack would take longer to compile than it saves")
traced_jax.STACKED_UPDATES = 0
stacked = folds("stacked")
np.testing.assert_allclose(stacked, few, atol=1e-6)
np.testing.assert_array_equal(stacked, folds("stacked"))
traced_choice.why_fit = lambda model: "asked for"
np.testing.assert_allclose(found, trained("fit: asked for"), atol=1e-6)
np.testing.assert_allclose(stacked, folds("fit: asked for"), atol=1e-6)
print("equal")
"""


def test_networks_are_trained_as_by_fit(tmp_path):
    pytest.importorskip("jax")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "PYTHONPATH": os.pathsep.join(["tests", "tests/models"]),
        },
    )
    assert done.stdout.split()[-1:] == ["equal"], done.stderr[-2000:]

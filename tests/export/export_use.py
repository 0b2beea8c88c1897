"""An exported model asked by a fresh process, and the trained network it came from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from hpo.store import Store
from hpo.study.refit import refit
from hpo.study.stored import stored_study

PREDICT = """\
import sys
import numpy as np, hpo
model = hpo.load_model(sys.argv[1])
answers = [model.predict(sys.argv[2])]
if model.classes is not None:
    answers.append(model.predict_proba(sys.argv[2]))
np.savez(sys.argv[3], *answers)
"""


def in_fresh_process(folder: Path, *words: str):
    """Return what a process predicts that has done nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, *words, "answers.npz"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "answers.npz") as found:
        return [found[name] for name in found.files]


def own_refit(folder: Path, name: str):
    """Train the chosen trial again, keep nothing, and ask it about the test part.

    Returns:
        The raw rows of the test part, and the answers of the network that was trained,
        which was never saved.
    """
    store = Store(f"sqlite:///{folder / 'hpo.db'}")
    prepared = stored_study(store, name)
    trial = max(store.trials(name), key=lambda t: (t.score, -t.number))
    look = refit(prepared, trial, None, with_test=True).look
    rows = pd.read_csv(folder / "rows.csv").iloc[prepared.test_rows]
    rows.to_csv(folder / "test.csv", index=False)
    return rows, look.predictions

"""Trials and studies for the tests of figures and pages."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from hpo.records import FoldResult, StudyRecord, Trial
from hpo.space import Categorical, Float, Int, Space
from hpo.spec.hyperparameters import write_space

SPACE = Space(
    layers=Int(1, 3),
    units=Int(8, 64, log=True, repeat="layers"),
    rate=Float(1e-4, 1e-1, log=True),
    dropout=Float(0.0, 0.5, step=0.1),
    batch=Int(10, 90, step=40),
    optimizer=["adam", "sgd"],
    momentum=Float(0.0, 0.9, when={"optimizer": "sgd"}),
    scale=Categorical([None, True, "auto", 2]),
    epochs=50,
)


def complete(number, params, score, **given):
    folds = tuple(
        FoldResult(fold=i, score=score + d) for i, d in enumerate([-0.1, 0.1])
    )
    return Trial(number, params, "complete", score, folds, **given)


def failed(number, params):
    folds = (FoldResult(fold=0, failure="nan"),)
    return Trial(number, params, "failed", None, folds, failure="nan")


def drawn(n=40, space=SPACE, seed=5):
    """Draw trials whose scores are best near rate 0.01; every seventh one fails."""
    rng = np.random.default_rng(seed)
    params = [space.sample(rng) for _ in range(n)]
    noise = rng.normal(0, 0.005, n)
    return [
        failed(i, p)
        if i % 7 == 3
        else complete(i, p, 0.95 - 0.1 * abs(np.log10(p.get("rate", 1)) + 2) + noise[i])
        for i, p in enumerate(params)
    ]


def study(name="digits", space=SPACE, **given):
    about = {
        "name": name,
        "state": "running",
        "document": {"space": write_space(space)},
        "text": "",
        "folder": ".",
        "fingerprint": "",
        "family": "keras-mlp",
        "strategy": "bayesian",
        "metric": "accuracy",
        "task": "classification",
        "n_folds": 2,
        "seed": 0,
        "engine": "local",
        "backend": "tensorflow",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return StudyRecord(**(about | given))

"""Small studies, run to their end in a store of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hpo.spec import parse_study
from hpo.store import Store
from hpo.study import Prepared, StudyRun, prepare

IRIS: dict[str, Any] = {
    "name": "iris",
    "data": {"source": "sklearn.iris", "test_size": 0.2},
    "model": "sklearn-mlp",
    "space": {
        "units": [4, 8],
        "hidden_layers": 1,
        "learning_rate": {"float": [1e-3, 1e-1], "log": True},
        "epochs": 8,
    },
    "search": {"strategy": "random", "trials": 2, "seed": 1},
    "evaluation": {"folds": 3, "metrics": ["f1_macro"]},
    "engine": {"jobs": 1},
}


def document(**sections: Any) -> dict[str, Any]:
    """Return `IRIS` with whole keys, or keys of a section, replaced."""
    changed = dict(IRIS)
    for key, value in sections.items():
        section, _, name = key.partition("__")
        changed[section] = {**changed[section], name: value} if name else value
    return changed


def prepared(folder: Path = Path(), **sections: Any) -> Prepared:
    return prepare(parse_study(document(**sections), folder=folder))


def searched(folder: Path, **sections: Any) -> tuple[Prepared, Store]:
    """Run a study in a new store in ``folder``."""
    store = Store(f"sqlite:///{folder / 'hpo.db'}")
    study = prepared(folder, **sections)
    StudyRun(study, store).execute()
    return study, store

"""What a study is and what it would run, as plain values: nothing here trains.

It owns the counts of trials and fits; how they are laid out is for whoever shows them.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hpo.data.classes import class_shares, imbalance_note
from hpo.data.splits import settle
from hpo.models.vocabulary import KERAS
from hpo.records import Dataset
from hpo.spec import StudySpec
from hpo.spec.hyperparameters import write_space
from hpo.spec.model import may_use_keras
from hpo.study.network import network_sizes
from hpo.study.prepare import Prepared
from hpo.study.test_part import missing_classes
from hpo.study.workers import n_workers
from hpo.user_code import OBJECTIVE, kind_of

Facts = dict[str, Any]

TRAINING = {KERAS: "folds and trials of equal architecture together (stacked)"}
"""How families are expected to train; of a builder its model decides."""


def describe(prepared: Prepared) -> Facts:
    """Return what `hpo check` says, as values that JSON can hold."""
    spec, plan = prepared.spec, prepared.plan
    sizes = network_sizes(prepared)
    n_combinations, n_trials = spec_counts(spec)
    return {
        "name": spec.name,
        "model": spec.model,
        "network": None if sizes is None else asdict(sizes),
        "task": plan.data.task,
        "data": data_facts(prepared),
        "evaluation": {
            "split": settle(plan.data, spec.split) if plan.data.n_rows else None,
            "folds": spec.evaluation.folds,
            "repeats": spec.evaluation.repeats,
            "nested": spec.evaluation.nested,
            "metric": plan.metric,
            "metrics": list(plan.metrics),
        },
        "backend": _backend(spec),
        "training": TRAINING.get(spec.model),
        "strategy": spec.search.strategy,
        "space": write_space(spec.space),
        "defaults": dict(prepared.defaults),
        "n_combinations": n_combinations,
        "n_trials": n_trials,
        "n_fits": None if n_trials is None else n_trials * spec.evaluation.n_folds,
        "timeout_seconds": spec.search.timeout_seconds,
        "patience": spec.search.patience,
        "n_workers": n_workers(spec),
        "notes": [*notes(prepared.data), *_test_notes(prepared)],
    }


def _backend(spec: StudySpec) -> str | None:
    """Return what Keras computes with; None where nobody knows that it does."""
    told = may_use_keras(spec.model) and kind_of(spec.model) != OBJECTIVE
    return spec.engine.backend if told else None


def notes(data: Dataset) -> list[str]:
    """Return what a user should know of the data, one sentence each."""
    uneven = imbalance_note(data)
    extra = [uneven] if uneven is not None and uneven not in data.notes else []
    return [*data.notes, *extra]


def _test_notes(prepared: Prepared) -> list[str]:
    what = missing_classes(prepared)
    return [] if what is None else [what]


def spec_counts(spec: StudySpec) -> tuple[int | None, int | None]:
    """Return the number of combinations and of trials at most.

    The first is None if there are infinitely many, or too many to be counted.
    """
    is_grid = spec.search.strategy == "grid"
    n_combinations = spec.space.grid.count if is_grid else spec.space.size
    limits = [n for n in (n_combinations, spec.search.budget) if n is not None]
    return n_combinations, min(limits, default=None)


def data_facts(prepared: Prepared) -> Facts:
    """Return what is in the data of a study."""
    data, X = prepared.data, prepared.data.X
    missing: dict[str, int] = {}
    if data.is_table:
        frame: Any = X
        counts = frame.isna().sum()
        missing = {str(name): int(n) for name, n in counts.items() if n}
    return {
        "source": prepared.spec.data.name,
        "n_rows": data.n_rows,
        "n_test": prepared.n_test,
        "n_train": data.n_rows - prepared.n_test,
        "shape": list(data.feature_shape),
        "numeric": list(data.numeric),
        "categorical": list(data.categorical),
        "missing": missing,
        "targets": list(data.targets),
        "classes": [
            {"label": label, "n_rows": n_rows, "share": share}
            for label, n_rows, share in class_shares(data)
        ],
        "n_groups": None if data.groups is None else len(set(data.groups.tolist())),
    }


def data_words(facts: Facts) -> str:
    """Word the size of the data, as in ``569 rows x 30 features, 2 classes``."""
    shape = " x ".join(map(str, facts["shape"]))
    what = f"{len(facts['classes'])} classes" if facts["classes"] else "regression"
    if not facts["classes"] and len(facts["targets"]) > 1:
        what += f" of {len(facts['targets'])} targets"
    unit = "features" if len(facts["shape"]) == 1 else "values"
    return f"{facts['n_rows']:,} rows x {shape} {unit}, {what}"


def classes_words(facts: Facts, width: int = 80) -> str:
    """Word the classes with their shares, as many as fit; the largest come first."""
    words: list[str] = []
    for at, one in enumerate(facts["classes"]):
        label = str(one["label"])
        label = label if len(label) <= 20 else f"{label[:17]}..."
        word = f"{label} {one['n_rows']:,} ({100 * one['share']:.1f} %)"
        n_more = len(facts["classes"]) - at
        if words and len(", ".join([*words, word])) > width - 12:
            return f"{', '.join(words)}, {n_more} more"
        words.append(word)
    return ", ".join(words)


def folds_words(evaluation: Facts, n_groups: int | None = None) -> str:
    """Word how a trial is judged, as in ``5 stratified folds, 3 times``."""
    n_folds, repeats = evaluation["folds"], evaluation["repeats"]
    if n_folds == 1:
        return "one value a trial"
    words = {
        "stratified": f"{n_folds} stratified folds",
        "kfold": f"{n_folds} folds",
        None: f"{n_folds} repetitions a trial",
        "group": f"{n_folds} folds of whole groups",
        "time": f"{n_folds} folds in order of time",
    }[evaluation["split"]]
    if n_groups is not None:
        words += f" ({n_groups:,} groups)"
    return words if repeats == 1 else f"{words}, {repeats} times anew"

"""The page of a study at a glance: how far it is, its best params, and four figures.

Made of what the store holds alone; no code of a user is imported for it.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from hpo.records import StudyRecord, Trial
from hpo.report.figures import (
    best_so_far,
    importance_bars,
    parallel_coordinates,
    slices,
)
from hpo.report.figures.scores import scored
from hpo.report.look import score_text, written
from hpo.report.page import Part, figure_part, page, paragraphs, table
from hpo.report.tables import best_trial, counted
from hpo.search.optuna_study import importances
from hpo.space import Space
from hpo.spec.hyperparameters import read_space


def progress_page(study: StudyRecord, trials: Sequence[Trial]) -> str:
    """Return one self-contained HTML document about a study.

    Args:
        study: As it is stored.
        trials: Its trials, by number.
    """
    space, metric = stored_space(study), study.metric
    shares = importances(space or Space(), trials)
    order = list(shares)
    parallel = parallel_coordinates(trials, metric, space, order)
    return page(
        study.name,
        [
            Part("", _headline(study, trials)),
            *_best_params(study, trials),
            figure_part("Best so far", best_so_far(trials, metric)),
            figure_part(
                "What mattered",
                importance_bars(shares),
                ["How much each hyperparameter had to do with the best scores."],
            ),
            figure_part(
                "One hyperparameter at a time", slices(trials, metric, space, order)
            ),
            figure_part("All hyperparameters together", parallel),
        ],
    )


def stored_space(study: StudyRecord) -> Space | None:
    """Return the space of a stored study, None if it can no longer be read."""
    space, _ = read_space(study.document.get("space"))
    return space


def _headline(study: StudyRecord, trials: Sequence[Trial]) -> str:
    """Return what the study is, and its numbers."""
    finished = [trial for trial in counted(trials) if trial.finished]
    running = len(counted(trials)) - len(finished)
    failed = len(finished) - len(scored(finished))
    facts = {"finished trials": str(len(finished)), "failed": str(failed)}
    if running:
        facts["in training"] = str(running)
    best = best_trial(scored(trials))
    if best is not None:
        facts[f"best {study.metric}"] = score_text(best.score or 0.0)
    items = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
        for name, value in facts.items()
    )
    what = f"{study.family}, {study.strategy} search, {study.n_folds} folds a trial"
    ended = f": {study.reason}" if study.reason else ""
    notes = paragraphs([f"{what}; {study.state}{ended}."])
    return f'{notes}<dl class="facts">{items}</dl>'


def _best_params(study: StudyRecord, trials: Sequence[Trial]) -> list[Part]:
    best = best_trial(scored(trials))
    if best is None:
        return []
    score = score_text(best.score or 0.0)
    std = f" ± {score_text(best.std or 0.0)} over the folds" if best.folds else ""
    rows = [[written(n, 100), written(value, 200)] for n, value in best.params.items()]
    notes = paragraphs([f"Trial {best.number}, {study.metric} {score}{std}."])
    return [Part("Best params", notes + table(["hyperparameter", "value"], rows))]

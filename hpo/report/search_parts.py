"""What a report shows of the search: its progress, and what mattered in it."""

from __future__ import annotations

from itertools import accumulate

from hpo.records import Trial
from hpo.report.course import running_seconds
from hpo.report.elements import drawing, subheading
from hpo.report.figures import (
    best_so_far,
    importance_bars,
    parallel_coordinates,
    slices,
)
from hpo.report.figures.axes import varying
from hpo.report.figures.lattice import heat_map, line_name, make_lattice, score_line
from hpo.report.figures.scores import scored
from hpo.report.figures.seconds import best_by_seconds
from hpo.report.look import written
from hpo.report.page import Part, figure_part, paragraphs
from hpo.report.study_facts import StudyFacts
from hpo.search.optuna_study import importances
from hpo.space import Space

ROUGH_TRIALS = 30
"""Importances of fewer trials are said to be rough."""


def progress_part(facts: StudyFacts) -> Part:
    """Return the best score so far, against trials and against seconds."""
    metric, sign = facts.units.metric, facts.units.sign
    ended, what, notes = _timed(facts)
    return Part(
        "Best so far",
        subheading("Against trials")
        + drawing(
            "Score of each trial and best score so far, by trial",
            best_so_far(facts.trials, metric, sign),
        )
        + subheading("Against seconds")
        + paragraphs([notes])
        + drawing(
            "Best score so far, by seconds",
            best_by_seconds(ended, metric, what, sign),
        ),
    )


def _timed(facts: StudyFacts) -> tuple[list[tuple[Trial, float]], str, str]:
    """Return the finished trials with their seconds, and which seconds those are.

    They are of the study's running time; where that is not known, those of training.
    """
    finished = facts.finished
    spent = sum(map(_training_seconds, finished))
    moments = running_seconds(facts.study, facts.trials)
    known = [(trial, moments.get(trial.finished_at)) for trial in finished]
    ended = [(trial, at) for trial, at in known if at is not None]
    training = f"training and scoring took {_duration(spent)}, added over all folds"
    if ended and len(ended) == len(finished):
        ran = _duration(facts.study.active_seconds)
        words = f"The study ran for {ran}; pauses are cut out. All {training}."
        return sorted(ended, key=lambda e: (e[1], e[0].number)), "of running", words
    passed = accumulate(map(_training_seconds, finished))
    words = (
        f"How long the study ran is not known: seconds are of training. All {training}."
    )
    return list(zip(finished, passed, strict=True)), "of training", words


def _training_seconds(trial: Trial) -> float:
    return sum(fold.fit_seconds + fold.score_seconds for fold in trial.folds)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.1f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"


def space_parts(facts: StudyFacts) -> list[Part]:
    """Return the figures of hyperparameters: together, one at a time, their weight."""
    metric, sign, space = facts.units.metric, facts.units.sign, facts.space
    trials = facts.trials
    line = line_name(trials, space)
    if line is not None:
        words = f"Only {written(line)} varied."
        return [
            figure_part(
                f"Score along {written(line, 40)}",
                score_line(trials, line, metric, space, sign),
                [words],
            )
        ]
    n_varied = len(varying(scored(trials), space))
    shares = importances(space or Space(), trials)
    order = list(shares)
    parts = []
    if n_varied != 1:
        parts.append(
            figure_part(
                "All hyperparameters together",
                parallel_coordinates(trials, metric, space, order, sign),
                ["A line a trial, the darker the better. Drag along an axis to pick."]
                if n_varied
                else (),
            )
        )
    parts.append(
        figure_part(
            "One hyperparameter at a time", slices(trials, metric, space, order, sign)
        )
    )
    if n_varied != 1:
        parts.append(
            figure_part(
                "What mattered",
                importance_bars(shares),
                _importance_words(len(scored(trials))) if shares else (),
            )
        )
    return [*parts, *_lattice_parts(facts)]


def _importance_words(n_trials: int) -> list[str]:
    words = (
        "How much each hyperparameter had to do with the best scores (PED-ANOVA, as in "
        "Optuna)."
    )
    rough = f"Rough, as it comes from {n_trials} trials."
    return [words, rough] if n_trials < ROUGH_TRIALS else [words]


def _lattice_parts(facts: StudyFacts) -> list[Part]:
    grid = facts.study.strategy == "grid"
    lattice = make_lattice(facts.trials, facts.space, grid=grid)
    if lattice is None:
        return []
    heading = f"{written(lattice.down, 30)} by {written(lattice.across, 30)}"
    figure = heat_map(lattice, facts.units.metric, facts.units.sign)
    words = f"Mean {written(facts.units.metric)} of each pair, the darker the better."
    return [figure_part(heading, figure, [words])]

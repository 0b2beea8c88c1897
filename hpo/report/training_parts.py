"""What a report shows of how trials were trained: curves, folds, over- and underfit."""

from __future__ import annotations

from hpo.analysis.result import StudyResult
from hpo.records import Trial
from hpo.report.elements import drawing, items, side_by_side, subheading
from hpo.report.figures.curves import MAX_FOLDS, curve_names, learning_curves
from hpo.report.figures.folds import fold_scores, training_gaps
from hpo.report.figures.scores import scored
from hpo.report.look import written
from hpo.report.page import Part, figure_part, paragraphs
from hpo.report.study_facts import StudyFacts

MAX_TOP = 10


def top_trials(facts: StudyFacts, result: StudyResult) -> list[Trial]:
    """Return the best complete trials, the chosen one among them, best first."""
    ordered = sorted(scored(facts.trials), key=lambda t: (-(t.score or 0.0), t.number))
    top = ordered[:MAX_TOP]
    if all(trial.number != result.chosen.number for trial in top):
        top = [*top[: MAX_TOP - 1], result.chosen]
    return top


def curves_part(facts: StudyFacts, result: StudyResult) -> list[Part]:
    """Return the learning curves of the chosen and the worst complete trial."""
    judged = scored(facts.trials)
    worst = min(judged, key=lambda t: (t.score or 0.0, t.number), default=None)
    shown = [("The trial to take", result.chosen)]
    if worst is not None and worst.number != result.chosen.number:
        shown.append(("The worst complete trial", worst))
    names = curve_names([trial for _, trial in shown])
    if not names:
        return []
    more = (
        f" The first {MAX_FOLDS} folds are drawn."
        if len(result.chosen.folds) > MAX_FOLDS
        else ""
    )
    notes = [
        "Every fold is a thin line, their mean a thick one, which ends where the first "
        "fold stops. Training rows are blue, the rows kept aside to stop by orange. "
        f"A diamond marks the epoch whose weights a fold kept.{more}"
    ]
    body = paragraphs(notes)
    for words, trial in shown:
        score = facts.units.text(trial.score)
        metric = written(facts.units.metric)
        body += subheading(f"{words}: trial {trial.number}, {metric} {score}")
        body += side_by_side(
            [
                drawing(
                    f"Learning curves of trial {trial.number}: {written(name)}",
                    learning_curves(trial, name),
                )
                for name in names
                if _has(trial, name)
            ],
            440,
        )
    return [Part("Learning curves", body)]


def _has(trial: Trial, name: str) -> bool:
    return any(
        fold.curves.get(name) or fold.curves.get(f"val_{name}") for fold in trial.folds
    )


def folds_part(facts: StudyFacts, result: StudyResult) -> list[Part]:
    """Return the scores of the top trials fold by fold."""
    if facts.study.n_folds < 2:
        return []
    units, top = facts.units, top_trials(facts, result)
    figure = fold_scores(top, units.metric, result.chosen.number, units.sign)
    return [figure_part("Fold by fold", figure, [_fold_words(result)])]


def _fold_words(result: StudyResult) -> str:
    if result.fold_share is None:
        return "There are too few complete trials to tell how much is due to the folds."
    share = f"{100 * result.fold_share:.0f} %"
    tail = (
        "it is the fold, not the network, so that trials must be compared fold by fold"
        if result.fold_share > 0.5
        else "the rest differs from trial to trial in the same fold, as chance does"
    )
    return (
        f"Of what differs between the folds of one of the better trials, {share} is "
        f"shared by all of them: {tail}."
    )


def fits_part(facts: StudyFacts, result: StudyResult) -> list[Part]:
    """Return whether the top trials over- or underfit, in words and drawn."""
    if not result.fits:
        return []
    units = facts.units
    known = [trial for n in result.fits if (trial := facts.trial(n)) is not None]
    ordered = sorted(known, key=lambda t: (-(t.score or 0.0), t.number))[:MAX_TOP]
    sentences = [f"Trial {t.number}. {result.fits[t.number].words}" for t in ordered]
    body = items(sentences)
    drawn = [t for t in ordered if t.train_score is not None and t.score is not None]
    if drawn:
        body += drawing(
            "Score of each trial on its training rows and on its validation rows",
            training_gaps(drawn, units.metric, result.chosen.number, units.sign),
        )
    else:
        body += paragraphs(["No training scores were kept, so no gap can be drawn."])
    return [Part("Over- and underfitting", body)]

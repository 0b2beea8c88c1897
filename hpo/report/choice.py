"""Which params to take, and which other trials are practically as good."""

from __future__ import annotations

from collections.abc import Sequence

from hpo.analysis.result import Difference, StudyResult
from hpo.records import Trial
from hpo.report.elements import named_table, wordy_table
from hpo.report.look import written
from hpo.report.page import Part, paragraphs
from hpo.report.study_facts import StudyFacts
from hpo.space.values import identity

MAX_DIFFERING = 8
"""Params of a runner-up that are listed."""


def params_part(facts: StudyFacts, result: StudyResult) -> Part:
    """Return the params of the chosen trial, beside the family's defaults."""
    chosen, defaults = result.chosen, result.defaults
    if defaults is None or defaults.number == chosen.number:
        rows = [[written(n, 100), written(v, 200)] for n, v in chosen.params.items()]
        return Part("Params to take", named_table(["hyperparameter", "value"], rows))
    names = dict.fromkeys([*chosen.params, *defaults.params])
    rows = [
        [written(name, 100), _value(chosen, name), _value(defaults, name)]
        for name in names
    ]
    head = ["hyperparameter", "take", f"defaults (trial {defaults.number})"]
    return Part("Params to take", named_table(head, rows))


def _value(trial: Trial, name: str) -> str:
    return written(trial.params[name], 200) if name in trial.params else "not active"


def rivals_part(facts: StudyFacts, result: StudyResult) -> Part:
    """Return the next best trials, each compared with the chosen one."""
    heading = "Trials that may be as good"
    if not result.rivals:
        why = (
            "There is no other complete trial."
            if sum(trial.score is not None for trial in facts.trials) < 2
            else "Over a single fold trials cannot be told apart from chance."
            if facts.study.n_folds < 2
            else "No other trial could be compared with the chosen one."
        )
        return Part(heading, paragraphs([why]))
    units, chosen = facts.units, result.chosen
    rope = f"{result.rope:.4g}"
    notes = [
        f"The next best trials by mean {written(units.metric)}, compared with trial "
        f"{chosen.number} over the same folds. Within {rope} of each other two trials "
        "count as practically equal; the chances are those of a Bayesian t-test that "
        "knows that folds share their training rows.",
        _simplest(facts, result),
    ]
    head = ["trial", "mean", "difference", "worse", "equal", "better", "differs in"]
    rows = []
    for rival in result.rivals:
        trial = facts.trial(rival.number)
        if trial is not None:
            rows.append(
                [
                    str(rival.number),
                    units.text(trial.score),
                    units.change(rival.mean),
                    *map(_percent, (rival.worse, rival.equal, rival.better)),
                    _differing(chosen, trial),
                ]
            )
    return Part(heading, paragraphs(notes) + wordy_table(head, rows))


def _percent(share: float) -> str:
    percent = 100 * share
    return "< 1 %" if 0 < percent < 1 else f"{percent:.0f} %"


def _differing(chosen: Trial, other: Trial) -> str:
    """Word the params that the other trial has and the chosen one has not."""
    texts = []
    for name in dict.fromkeys([*other.params, *chosen.params]):
        if name not in other.params:
            texts.append(f"{written(name, 40)} not active")
        elif name not in chosen.params or identity(other.params[name]) != identity(
            chosen.params[name]
        ):
            texts.append(f"{written(name, 40)} {written(other.params[name], 40)}")
    if not texts:
        return "nothing"
    hidden = len(texts) - MAX_DIFFERING
    more = [f"{hidden} more"] if hidden > 0 else []
    return ", ".join([*texts[:MAX_DIFFERING], *more])


def equals(rivals: Sequence[Difference]) -> list[Difference]:
    """Return the trials that are more likely practically equal than not."""
    return [rival for rival in rivals if rival.equal > 0.5]


def _simplest(facts: StudyFacts, result: StudyResult) -> str:
    """Say which of the trials that are practically equal is the simplest."""
    alike = [facts.trial(rival.number) for rival in equals(result.rivals)]
    known = [trial for trial in alike if trial is not None]
    if not known:
        return (
            "None of them is more likely practically equal than not: either the "
            "chosen trial is better, or the folds are too few or too different to tell."
        )
    simplest = min([result.chosen, *known], key=_size)
    numbers = ", ".join(str(trial.number) for trial in known)
    which = f"{numbers} {'is' if len(known) == 1 else 'are'} more likely equal than not"
    if simplest is result.chosen:
        return f"Of these {which}; the chosen trial is the simplest of them all."
    weights = n_parameters(simplest)
    size = f", with {weights:,} weights" if weights is not None else ""
    return (
        f"Of these {which}; the simplest is trial {simplest.number}{size}. Take it if "
        "a small or fast model matters more than the last digit."
    )


def n_parameters(trial: Trial) -> int | None:
    """Return the weights of a trial's largest network, None if that says nothing."""
    counts = [f.n_parameters for f in trial.folds if f.n_parameters is not None]
    return max(counts, default=None)


def _size(trial: Trial) -> tuple[float, float, int]:
    weights = n_parameters(trial)
    return (
        float("inf") if weights is None else float(weights),
        trial.fit_seconds or 0.0,
        trial.number,
    )

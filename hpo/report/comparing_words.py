"""What a comparison comes to, in words."""

from __future__ import annotations

from hpo.report.comparing import Comparison
from hpo.report.groups import Spread, cost_text
from hpo.report.look import score_text


def words(comparison: Comparison) -> list[str]:
    """Return what a comparison comes to, a sentence each."""
    goal = comparison.to_reach
    if goal is None:
        return ["No trial of these searches has a score."]
    groups = comparison.groups
    trials = [f"{g.label} {_cost(g.trials_to(goal), 'in {} trials')}" for g in groups]
    reached = f"Reached {comparison.metric} {score_text(goal)}"
    sentences = [f"{reached}: {', '.join(trials)}."]
    if all(group.timed for group in groups):
        seconds = [
            f"{g.label} {_cost(g.seconds_to(goal), 'in {} s', digits=1)}"
            for g in groups
        ]
        sentences.append(f"In running time: {', '.join(seconds)}.")
    if comparison.of_strategies:
        sentences.append(_wins(comparison))
    if comparison.best_trials is not None:
        sentences += comparison.best_trials.words
    return sentences


def _cost(cost: Spread, sentence: str, *, digits: int = 0) -> str:
    if cost.low is None:
        return "never"
    return sentence.format(cost_text(cost, digits=digits))


def _wins(comparison: Comparison) -> str:
    wins = [f"{label} in {n}" for label, n in comparison.wins.items()]
    ties = f", shared in {comparison.n_ties}" if comparison.n_ties else ""
    n_seeds = len(comparison.leaders)
    return (
        f"Alone the best after {comparison.n_common} trials, of {n_seeds} "
        f"seed{'s' if n_seeds != 1 else ''}: {', '.join(wins)}{ties}."
    )

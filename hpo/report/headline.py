"""The head of a report: the numbers that matter, and what each of them means."""

from __future__ import annotations

import shlex

from hpo.analysis.result import StudyResult
from hpo.records import TestLook
from hpo.report.elements import answers, cards, warning
from hpo.report.look import score_text, written
from hpo.report.page import Part, paragraphs
from hpo.report.study_facts import StudyFacts
from hpo.store import SEARCH
from hpo.user_code import OBJECTIVE, kind_of

ONE_SE = "one-se"


def headline_part(facts: StudyFacts) -> Part:
    """Return what the study is, which trial to take, and how good that is."""
    body = paragraphs([_what(facts)])
    if facts.result is None:
        return Part("The result", body + warning(_nothing(facts)))
    result = facts.result
    return Part(
        "The result",
        body
        + cards(_cards(facts, result))
        + answers(
            [
                ("Which trial to take", _which(facts, result)),
                ("How good it is in cross-validation", _validated(facts, result)),
                ("How good it really is", _corrected(facts, result)),
                *_nested(facts),
                ("On rows that no trial has seen", _tested(facts, result)),
                ("What the search has brought", _gain(facts, result)),
                ("What a model without features scores", _baseline(facts, result)),
            ]
        )
        + "".join(map(warning, _doubts(facts, result))),
    )


def _what(facts: StudyFacts) -> str:
    study = facts.study
    n_finished = len(facts.finished)
    failed = sum(trial.state == "failed" for trial in facts.finished)
    stopped = sum(trial.state == "stopped" for trial in facts.finished)
    waiting = len(facts.trials) - n_finished
    counts = [f"{n_finished} finished trial{'s' if n_finished != 1 else ''}"]
    counts += [f"{failed} of them failed"] if failed else []
    counts += [f"{stopped} stopped early"] if stopped else []
    counts += [f"{waiting} not finished"] if waiting else []
    reason = f" ({study.reason})" if study.reason else ""
    folds = f"{study.n_folds} fold{'s' if study.n_folds != 1 else ''}"
    return (
        f"{written(study.family, 100)}, {study.strategy} search, {folds} a trial, "
        f"judged by {written(facts.units.metric)} ({facts.units.better} is better). "
        f"{', '.join(counts)}; the study is {study.state}{reason}."
    )


def _nothing(facts: StudyFacts) -> str:
    if not facts.finished:
        return "No trial has finished yet, so there is no result."
    return (
        "No trial is complete, so there is no result: every finished trial failed or "
        "was stopped. See below what went wrong."
    )


def _cards(facts: StudyFacts, result: StudyResult) -> dict[str, str]:
    units, chosen = facts.units, result.chosen
    metric = written(units.metric, 30)
    shown = {"trial to take": str(chosen.number)}
    std = f" ± {units_std(chosen.std)}" if len(chosen.folds) > 1 else ""
    shown[f"cross-validated {metric}"] = f"{units.text(chosen.score)}{std}"
    if result.corrected is not None:
        shown[f"corrected {metric}"] = units.text(result.corrected.score)
        low, high = units.interval(result.corrected.low, result.corrected.high)
        shown["its 95 % interval"] = f"{score_text(low)} to {score_text(high)}"
    look = result.shown_look
    if look is not None:
        shown[f"test {metric}"] = units.text(look.score)
    if result.gain is not None:
        shown["gain over the defaults"] = units.change(result.gain.mean)
    return shown


def units_std(std: float | None) -> str:
    """Word a standard deviation, which has no sign to change."""
    return "-" if std is None else f"{std:.4f}" if std >= 0.0001 else f"{std:.2g}"


def _which(facts: StudyFacts, result: StudyResult) -> str:
    units, chosen, best = facts.units, result.chosen, result.best
    n_complete = sum(trial.score is not None for trial in facts.trials)
    if result.rule == ONE_SE and chosen.number != best.number:
        error = units_std(result.standard_error)
        return (
            f"Trial {chosen.number}: the simplest of those within one standard error "
            f"({error}) of the best mean score, that of trial {best.number} "
            f"({units.text(best.score)}), as the study's select: one-se asks for."
        )
    if n_complete == 1:
        return f"Trial {chosen.number}: it is the only one that is complete."
    also = (
        " and the simplest within one standard error" if result.rule == ONE_SE else ""
    )
    return (
        f"Trial {chosen.number}: it has the best mean score{also} of {n_complete} "
        "complete trials."
    )


def _validated(facts: StudyFacts, result: StudyResult) -> str:
    units, chosen = facts.units, result.chosen
    n_folds = len(chosen.folds)
    score = units.text(chosen.score)
    if n_folds == 1:
        return (
            f"{score} on one validation part. With a single fold nothing tells how "
            "much of it is chance."
        )
    return (
        f"{score}, the mean of {n_folds} folds, with a standard deviation of "
        f"{units_std(chosen.std)} between them. As the trial was chosen for this very "
        "score, it flatters."
    )


def _corrected(facts: StudyFacts, result: StudyResult) -> str:
    corrected = result.corrected
    if corrected is None:
        return f"Not known: {result.why_not_corrected or 'it was not computed'}."
    units = facts.units
    low, high = units.interval(corrected.low, corrected.high)
    return (
        f"About {units.text(corrected.score)}, and with 95 % confidence between "
        f"{score_text(low)} and {score_text(high)}: what to expect on new rows of the "
        "same kind. The "
        f"best of {corrected.n_trials} trials is in part the luckiest; here the choice "
        f"was made again and again on resampled {corrected.resampled}, and judged on "
        f"those left out.{_apart(corrected.n_apart)}"
    )


def _apart(n: int) -> str:
    if n == 0:
        return ""
    whose = "whose stored predictions do not give the stored scores"
    return f" Without {_n_trials(n)} {whose}."


def _n_trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n} trials"


def _nested(facts: StudyFacts) -> list[tuple[str, str]]:
    score, units = facts.nested, facts.units
    if score is None:
        return []
    each = ", ".join(map(units.text, score.scores))
    words = (
        f"{units.text(score.mean)} ± {units_std(score.std)}: the mean of "
        f"{len(score.scores)} outer folds ({each}). In each of them the whole search "
        "was run again on the other rows, and what it chose was scored here."
    )
    return [("What the search as a whole scores", words)]


def _tested(facts: StudyFacts, result: StudyResult) -> str:
    look, units = result.shown_look, facts.units
    if look is None:
        if facts.rows is None:
            return "Not known: what the rows of this study are is not in the store."
        if not facts.rows.n_test:
            return (
                "Not known: no rows were held out. Give the study data.test_size to "
                "hold some out."
            )
        command = f"hpo best {shlex.quote(facts.study.name)} --test"
        return (
            f"Not looked at yet: {facts.rows.n_test} rows have been held out from the "
            f"start. Look once, when the search is over: {command}"
        )
    words = (
        f"{units.text(look.score)} on {len(look.y)} rows that were held out from the "
        f"start, by trial {look.number}, refitted on all other rows{_at(look)}."
    )
    if len(result.looks) > 1:
        listed = "; ".join(_look(facts, each) for each in result.looks)
        words += f" All looks, the first one first: {listed}."
    return words


def _look(facts: StudyFacts, look: TestLook) -> str:
    manual = "" if look.kind == SEARCH else "manual "
    return (
        f"{facts.units.text(look.score)} by {manual}trial {look.number}{_at(look)}, "
        f"after {_n_trials(look.n_trials)}"
    )


def _at(look: TestLook) -> str:
    return f" on {look.looked_at:%Y-%m-%d %H:%M} UTC" if look.looked_at else ""


def _gain(facts: StudyFacts, result: StudyResult) -> str:
    units, gain, defaults = facts.units, result.gain, result.defaults
    if defaults is None:
        return (
            "Not known: there is no complete trial with the family's defaults to "
            "compare with."
        )
    if defaults.number == result.chosen.number:
        return "Nothing: the trial to take is that of the family's defaults."
    if gain is None:
        return (
            f"Trial {defaults.number}, with the family's defaults, scores "
            f"{units.text(defaults.score)}; over one fold there is no interval."
        )
    low, high = units.interval(gain.low, gain.high)
    sure = gain.low > 0 or gain.high < 0
    verdict = (
        "within what chance alone can bring"
        if not sure
        else "more than chance"
        if gain.corrected
        else "but this interval does not know that the trial was chosen as the best of "
        "many, so it is too favourable"
    )
    corrected = (
        ", corrected as the score is for having chosen it" if gain.corrected else ""
    )
    return (
        f"{units.change(gain.mean)} in {written(units.metric)} from the family's "
        f"defaults (trial {defaults.number}, {units.text(defaults.score)}) to the "
        f"chosen trial{corrected}; 95 % interval {low:+.4f} to {high:+.4f}: {verdict}."
    )


def _baseline(facts: StudyFacts, result: StudyResult) -> str:
    baseline, units = result.baseline, facts.units
    if baseline is None:
        why = (
            "what the rows of this study are is not in the store"
            if facts.rows is None
            else "only the objective itself can give its score"
            if kind_of(facts.study.family) == OBJECTIVE
            else f"{written(units.metric)} cannot judge such a model"
        )
        return f"Not known: {why}."
    words = (
        f"{units.text(baseline.score)} ± {units_std(baseline.std)} in the same folds "
        f"({baseline.words})"
    )
    over = result.over_baseline
    if over is None:
        gap = (result.chosen.score or 0.0) - baseline.score
        return f"{words}; the chosen trial differs from that by {units.change(gap)}."
    low, high = units.interval(over.low, over.high)
    return (
        f"{words}; the corrected score of the chosen trial differs from that by "
        f"{units.change(over.mean)}, with 95 % confidence by {low:+.4f} to {high:+.4f}."
    )


def _doubts(facts: StudyFacts, result: StudyResult) -> list[str]:
    """Return what makes a score less worth than it looks."""
    look, doubts = result.shown_look, []
    if result.lacks_proof:
        doubts.append(
            "Not shown to be better than a model without features: what the chosen "
            "trial gains over that is within what chance alone can bring."
        )
    if look is None:
        return doubts
    if len(result.looks) > 1:
        doubts.append(
            f"The test part has been looked at {len(result.looks)} times. Only the "
            "first look is free of choice; what was decided after it flatters."
        )
    later = len(facts.finished) - look.n_trials
    if later > 0:
        what = "trials have" if later != 1 else "trial has"
        doubts.append(
            f"{later} more {what} finished since the look at the test part: a choice "
            "made after it may have been steered by it."
        )
    if look.number != result.chosen.number:
        doubts.append(
            f"The look at the test part was at trial {look.number}, not at the trial "
            f"to take, {result.chosen.number}."
        )
    return doubts

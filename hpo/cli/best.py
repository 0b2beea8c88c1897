"""`hpo best`: which trial to take, how good it really is, and what it gained."""

from __future__ import annotations

from collections.abc import Sequence

from hpo.analysis.choosing import chosen, chosen_by
from hpo.analysis.result import Gain, StudyResult
from hpo.analysis.stored import stored_result
from hpo.cli.console import (
    Format,
    clean,
    number,
    out,
    quoted_name,
    say,
    table,
    value,
    write_csv,
    write_json,
)
from hpo.cli.exit_codes import NO_SUCCESS
from hpo.cli.listing import open_store
from hpo.records import Params, StudyRecord, StudyRows, TestLook, Trial
from hpo.report.results import result_row
from hpo.report.tables import Row
from hpo.store import SEARCH, Store
from hpo.study.nested import NestedScore, nested_score

PRACTICALLY = 0.5
"""Probability from which a trial is listed as practically equal."""


def show_best(
    name: str,
    store_url: str,
    format_: Format,
    *,
    test: bool = False,
    again: bool = False,
    allowed_modules: Sequence[str] = (),
) -> int:
    """Print the result of a study; return the exit code.

    Args:
        name: Of the study.
        store_url: Where it is kept.
        format_: How the result is written.
        test: Score the chosen trial on the test part first, if it has not been.
        again: Look at the test part although that was done.
        allowed_modules: Installed packages whose code the study may name.

    Raises:
        HpoError: Anything that is in the way; see `hpo.cli.app.main`.
    """
    store = open_store(store_url)
    study = store.study(name)
    trial = chosen(store.trials(name), chosen_by(study))
    if trial is None:
        say(f"study {name!r} has no successful trial yet", style="yellow")
        return NO_SUCCESS
    if test:
        _look(store, name, trial, again=again, allowed_modules=allowed_modules)
    print_result(store, name, format_)
    return 0


def _look(
    store: Store,
    name: str,
    trial: Trial,
    *,
    again: bool,
    allowed_modules: Sequence[str],
) -> None:
    from hpo.study.stored import changed_code, stored_study
    from hpo.study.test_part import known_look, refuse_missing_classes, score_test

    if known_look(store, name, SEARCH, trial, again=again) is not None:
        return
    prepared = stored_study(store, name, allowed_modules=allowed_modules)
    refuse_missing_classes(prepared)
    if prepared.n_test:
        say(
            f"trial {trial.number} on the test part: training on all "
            f"{prepared.plan.data.n_rows:,} training rows, to be scored on "
            f"{prepared.n_test:,}"
        )
    if what := changed_code(store, prepared):
        say(f"warning: {what}", style="yellow")
    score_test(prepared, store, trial, again=again)


def best_table(name: str, metric: str, row: Row, trials: Sequence[Trial]) -> None:
    """Print the trial to take beside the family's defaults, as a run ends."""
    defaults = row["defaults_score"]
    score, std = row["mean_test_score"], row["std_test_score"]
    title = (
        f"{clean(name)}: best is trial {row['number']}, "
        f"{metric} {number(score)} +- {number(std)}"
    )
    beside = defaults is not None and row["number"] != 0
    columns = ("hyperparameter", "best", *(("defaults",) if beside else ()))
    out().print(clean(title))
    made = table(None, *columns)
    first = trials[0].params if trials else {}
    for key in dict.fromkeys([*row["params"], *(first if beside else ())]):
        cells = [_value(row["params"], key), *([_value(first, key)] if beside else [])]
        made.add_row(clean(key), *cells)
    if beside:
        made.add_row("", "")
        made.add_row(metric, number(score), number(defaults))
        train = [trials[n].train_score for n in (row["number"], 0)]
        if any(score is not None for score in train):
            made.add_row("on training rows", *(number(score) for score in train))
    out().print(made)
    if beside:
        gain = score - defaults
        words = f"{gain:+.4f} (not corrected for choosing)"
        out().print(f"gain over the family's defaults: {words}", markup=False)
    elif defaults is not None:
        out().print("nothing tried was better than the family's defaults")


def print_result(store: Store, name: str, format_: Format) -> bool:
    """Print what is concluded from a study; return False if no trial is complete."""
    result = stored_result(store, name)
    if result is None:
        return False
    nested = nested_score(store, name)
    if format_ is Format.JSON:
        write_json(result_row(result, nested))
    elif format_ is Format.CSV:
        write_csv([result_row(result, nested)])
    else:
        _print_table(store, store.study(name), result, nested)
    return True


def _print_table(
    store: Store, study: StudyRecord, result: StudyResult, nested: NestedScore | None
) -> None:
    trial, defaults = result.chosen, result.defaults
    by = (
        "simplest within one standard error of the best"
        if result.rule == "one-se"
        else "best mean"
    )
    out().print(f"{clean(study.name)}: take trial {trial.number} ({by})", markup=False)
    facts = table(None, "", study.metric, "")
    for label, score, words in _facts(store, study, result, nested):
        facts.add_row(label, score, words)
    out().print(facts)
    out().print("")
    beside = defaults is not None and defaults.number != trial.number
    columns = ["hyperparameter", f"trial {trial.number}"]
    made = table(None, *columns, *(["defaults"] if beside else []))
    others = dict(defaults.params) if beside and defaults else {}
    for key in dict.fromkeys([*trial.params, *others]):
        cells = [_value(trial.params, key), *([_value(others, key)] if beside else [])]
        made.add_row(clean(key), *cells)
    out().print(made)
    _notes(study, result, sum(t.finished for t in store.trials(study.name)))


def _facts(
    store: Store, study: StudyRecord, result: StudyResult, nested: NestedScore | None
) -> list[tuple[str, str, str]]:
    """Return the lines of numbers: what, the score, and what is said of it."""
    trial, corrected = result.chosen, result.corrected
    facts = [
        (
            f"mean of {study.n_folds} folds" if study.n_folds > 1 else "one fold",
            number(trial.score),
            f"+- {number(trial.std)} between folds" if study.n_folds > 1 else "",
        ),
        (
            "corrected for choosing",
            number(corrected.score if corrected else None),
            f"95 %: {number(corrected.low)} to {number(corrected.high)}"
            if corrected
            else result.why_not_corrected,
        ),
        *_nested_facts(nested),
        *_test_facts(study, result, store.rows(study.name)),
    ]
    if result.defaults is not None:
        facts.append(("defaults", number(result.defaults.score), _gain_words(result)))
    if result.baseline is not None:
        plain = result.baseline
        over = (trial.score or 0.0) - plain.score
        facts += [
            ("without features", number(plain.score), plain.words),
            ("", "", _interval(result.over_baseline) or f"gain {over:+.4f}"),
        ]
    if trial.train_score is not None:
        fit = result.fits.get(trial.number)
        facts.append(
            ("on training rows", number(trial.train_score), fit.kind if fit else "")
        )
    return facts


def _nested_facts(score: NestedScore | None) -> list[tuple[str, str, str]]:
    if score is None:
        return []
    words = f"+- {number(score.std)} between {len(score.scores)} outer folds"
    return [("nested", number(score.mean), words)]


def _test_facts(
    study: StudyRecord, result: StudyResult, rows: StudyRows | None
) -> list[tuple[str, str, str]]:
    """Return a line for each look at the test part, or one that there is none."""
    label = "held-out test part"
    if result.looks:
        said = [
            (number(look.score), _look_words(look, result)) for look in result.looks
        ]
        labels = [label, *[""] * (len(said) - 1)]
        return [(label, *each) for label, each in zip(labels, said, strict=True)]
    if rows is not None and rows.n_test:
        return [
            (label, "-", f"not looked at: hpo best {quoted_name(study.name)} --test")
        ]
    return [(label, "-", "there is none")]


def _look_words(look: TestLook, result: StudyResult) -> str:
    ours = _is_of_chosen(look, result)
    if ours and len(result.looks) == 1:
        return _when(look)
    other = "" if ours else ", not the one to take"
    return f"{_when(look)}, by {_by(look)}{other}"


def _is_of_chosen(look: TestLook, result: StudyResult) -> bool:
    return (look.kind, look.number) == (SEARCH, result.chosen.number)


def _by(look: TestLook) -> str:
    return f"{'' if look.kind == SEARCH else 'manual '}trial {look.number}"


def _when(look: TestLook) -> str:
    at = f" {look.looked_at:%Y-%m-%d %H:%M} UTC" if look.looked_at else ""
    return f"looked at{at} after {_trials(look.n_trials)}"


def _gain_words(result: StudyResult) -> str:
    gain = result.gain
    if gain is None and result.defaults is not None:
        if result.defaults.number == result.chosen.number:
            return "nothing tried was better"
        change = (result.chosen.score or 0.0) - (result.defaults.score or 0.0)
        return f"gain {change:+.4f}"
    return _interval(gain)


def _interval(gain: Gain | None) -> str:
    if gain is None:
        return ""
    return f"gain {gain.mean:+.4f} (95 %: {gain.low:+.4f} to {gain.high:+.4f})"


def _notes(study: StudyRecord, result: StudyResult, n_finished: int) -> None:
    """Say what a person should know besides, on stderr."""
    from hpo.study.test_part import warning

    equal = [d.number for d in result.rivals if d.equal >= PRACTICALLY]
    if equal:
        listed = ", ".join(map(str, equal))
        several = len(equal) > 1
        say(
            f"practically equal (within {result.rope:.2g}): "
            f"trial{'s' if several else ''} {listed}"
        )
    if result.rule == "one-se" and result.best.number != result.chosen.number:
        say(f"best by mean: trial {result.best.number}, {number(result.best.score)}")
    gain, corrected = result.gain, result.corrected
    if gain is not None and gain.low > 0 and not gain.corrected:
        say(
            f"the gain's interval does not know that trial {result.chosen.number} was "
            "chosen as the best of many, so it is too favourable"
        )
    if corrected is not None and corrected.n_apart:
        say(
            f"corrected for choosing without {_trials(corrected.n_apart)} whose stored "
            "predictions do not give the stored scores"
        )
    fit = result.fits.get(result.chosen.number)
    if fit is not None and fit.kind not in ("good", "unknown"):
        say(fit.words)
    if result.lacks_proof and (fit is None or fit.kind != "useless"):
        say(
            "not shown to be better than a model without features: what it gains over "
            "that is within what chance alone can bring"
        )
    if result.looks and (what := warning(result.looks, n_finished)):
        say(f"warning: {what}", style="yellow")
    look = result.shown_look
    if look is not None and not _is_of_chosen(look, result):
        say(
            f"to score trial {result.chosen.number} on the test part too, which counts "
            f"as one more look: hpo best {quoted_name(study.name)} --test --again"
        )


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n} trials"


def _value(params: Params, key: str) -> str:
    return value(params[key]) if key in params else "-"

"""Searches by several strategies on one study file, to be compared.

Each is an ordinary study. Searches with one seed have the same test part, folds and
seeds of training, as all of these follow from it: strategies are paired by seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpo.errors import Problem, SpecError, StudyError, one_of
from hpo.records import StudyRecord
from hpo.search import STRATEGIES
from hpo.space import Space
from hpo.spec import StudySpec, differences, parse_study
from hpo.spec.model import DEFAULT_TRIALS
from hpo.spec.words import changes_table
from hpo.study.editing import edits
from hpo.study.prepare import prepare
from hpo.study.thinning import grid_within, grid_words, has_grid
from hpo.user_code import KERAS_TUNER, kind_of

MAX_GRID_TRIALS = 100
"""Trials of each search where the file has a whole grid and no budget."""

FIXED = (
    "space",
    "search.strategy",
    "search.width",
    "search.timeout",
    "search.patience",
    "search.defaults_first",
)
"""May change in a study, but then it is no longer one strategy on one space."""


@dataclass(frozen=True)
class Planned:
    """The searches of a comparison.

    Args:
        searches: A study for each seed and strategy, seed by seed.
        n_trials: Trials of each search at most.
        notes: What was decided, a sentence each.
    """

    searches: tuple[StudySpec, ...]
    n_trials: int
    notes: tuple[str, ...]


def plan_searches(spec: StudySpec, strategies: Sequence[str], n_seeds: int) -> Planned:
    """Return a study for each strategy and seed, with the same budget and space.

    Seeds are that of the file and those after it. A timeout and patience are left out,
    as they would end searches after different numbers of trials, and so is the trial of
    the defaults, which a grid has not.

    Args:
        spec: The study; its strategy does not matter.
        strategies: At least two of `hpo.search.STRATEGIES`.
        n_seeds: Searches by each.

    Raises:
        SpecError: The strategies make no sense, or a space is too entangled for a grid.
    """
    _check(strategies)
    spec = _with_whole_space(spec)
    n_trials = _budget(spec)
    thinned = grid_within(spec.space, n_trials) if "grid" in strategies else spec.space
    searches = tuple(
        _search(
            spec,
            strategy,
            seed,
            n_trials,
            thinned if strategy == "grid" else spec.space,
        )
        for seed in range(spec.search.seed, spec.search.seed + n_seeds)
        for strategy in strategies
    )
    notes = _notes(spec, strategies, n_seeds, n_trials, thinned)
    return Planned(searches, n_trials, tuple(notes))


def _check(strategies: Sequence[str]) -> None:
    where = "--strategies"
    problems = [
        Problem(where, one_of(name, STRATEGIES))
        for name in strategies
        if name not in STRATEGIES
    ]
    if not problems and len(set(strategies)) < max(2, len(strategies)):
        what = f"expected two or more of {', '.join(STRATEGIES)}, each once"
        problems = [Problem(where, f"{what}; got {','.join(strategies)}")]
    if problems:
        raise SpecError(problems)


def _with_whole_space(spec: StudySpec) -> StudySpec:
    """Add the hyperparameters that a hypermodel brings itself."""
    if kind_of(spec.model) != KERAS_TUNER:
        return spec
    # A grid would be refused for ranges that get their points only later.
    search = spec.search.model_copy(update={"strategy": "random"})
    whole = prepare(spec.model_copy(update={"search": search})).spec.space
    return spec.model_copy(update={"space": whole})


def _budget(spec: StudySpec) -> int:
    if spec.search.budget is not None:
        return spec.search.budget
    if not has_grid(spec.space):
        return DEFAULT_TRIALS
    return min(spec.space.grid.count, MAX_GRID_TRIALS)


def _search(
    spec: StudySpec, strategy: str, seed: int, n_trials: int, space: Space
) -> StudySpec:
    document = spec.to_document()
    search = document["search"] | {
        "strategy": strategy,
        "seed": seed,
        "trials": n_trials,
        "timeout": None,
        "patience": None,
        "defaults_first": False,
    }
    name = f"{spec.name} {strategy} seed {seed}"
    made = parse_study(
        document | {"name": name, "search": search, "space": space},
        folder=spec.folder,
        allowed_modules=spec.allowed_modules,
    )
    return made.model_copy(update={"text": spec.text})


def _notes(
    spec: StudySpec,
    strategies: Sequence[str],
    n_seeds: int,
    n_trials: int,
    thinned: Space,
) -> list[str]:
    first, last = spec.search.seed, spec.search.seed + n_seeds - 1
    seeds = f"seed {first}" if n_seeds == 1 else f"seeds {first} to {last}"
    notes = [
        f"{spec.name}: {', '.join(strategies)}, {seeds}, at most {n_trials} trials each"
        f"; with one seed all have the same folds."
    ]
    if "grid" in strategies:
        notes.append(grid_words(spec.space, thinned, n_trials))
    left_out = [
        name
        for name, given in (
            ("timeout", spec.search.timeout_seconds),
            ("patience", spec.search.patience),
        )
        if given is not None
    ]
    if left_out:
        notes.append(f"Without the file's {' and '.join(left_out)}: the budget is one.")
    return notes


def is_done(stored: StudyRecord, spec: StudySpec, fingerprint: str) -> bool:
    """Tell whether a stored search has ended and need not be run again.

    Args:
        stored: The search as it is stored.
        spec: The search as it is planned now.
        fingerprint: Of the data as they are now.

    Raises:
        StudyError: It was begun with something that must not change.
    """
    edits(stored, spec, fingerprint)
    n_trials = (stored.document.get("search") or {}).get("trials") or 0
    ended = stored.state in ("complete", "failed")
    return ended and n_trials >= (spec.search.trials or 0)


def refuse_changed(stored: StudyRecord, spec: StudySpec) -> None:
    """Refuse to go on with a search whose space or strategy has changed since.

    Raises:
        StudyError: Names each change and the way out.
    """
    changed = [
        change
        for change in differences(stored.document, spec.to_document())
        if any(change[0] == key or change[0].startswith(f"{key}.") for key in FIXED)
    ]
    if changed:
        raise StudyError(
            "\n".join(
                [
                    f"study {stored.name!r} was begun with another search, so it shows "
                    "nothing of this one:",
                    changes_table(changed),
                    "A grid also depends on the number of trials, which it is thinned "
                    "to. Undo the change, give the file another name, or remove the "
                    f"study with `hpo delete '{stored.name}'`.",
                ]
            )
        )

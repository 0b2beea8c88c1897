"""From a study file to what will run: data read and split, metric and model checked.

Everything that can be refused is refused here, before a row is written.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpo.data import fingerprint, load, make_folds, split_test
from hpo.errors import Problem, SpecError
from hpo.evaluation import Plan
from hpo.metrics import DEFAULT_METRIC, why_unfit
from hpo.models import get_family
from hpo.models.family import Family
from hpo.models.preprocessing import NO_SELECTION
from hpo.records import Dataset, Params
from hpo.spec import StudySpec
from hpo.user_code import Home


@dataclass(frozen=True)
class Prepared:
    """A study that can run.

    Args:
        spec: The study file.
        data: All rows, the test part included.
        n_test: Rows of the test part.
        fingerprint: Of all rows.
        family: Of models.
        plan: What workers need.
        defaults: The family's defaults moved into the space.
    """

    spec: StudySpec
    data: Dataset
    n_test: int
    fingerprint: str
    family: Family
    plan: Plan
    defaults: Params


def prepare(spec: StudySpec) -> Prepared:
    """Read and split the data of a study and check the file against it.

    How rows become a test part and folds is described in `hpo.data.splits`: always by
    scikit-learn's own splitters, so that anybody can make the same.

    Raises:
        DataError: The data cannot be read or split.
        SpecError: Metric, model or space do not fit the data.
    """
    home = Home(spec.folder, spec.allowed_modules)
    data = load(
        spec.data.name,
        options=spec.data.options,
        target=spec.data.targets,
        features=spec.data.features,
        drop=spec.data.drop,
        group=spec.data.group,
        order=spec.data.order,
        task=spec.task,
        home=home,
    )
    family = get_family(spec.model, home=home)
    metric = spec.evaluation.metric or DEFAULT_METRIC[data.task]
    _check(spec, data, family, metric)
    train_rows, test_rows = split_test(
        data, spec.data.test_size, seed=spec.search.seed, split=spec.split
    )
    train = data.take(train_rows)
    folds = make_folds(
        train,
        n_folds=spec.evaluation.folds,
        repeats=spec.evaluation.repeats,
        split=spec.split,
        seed=spec.search.seed,
    )
    plan = Plan(
        family=spec.model,
        data=train,
        folds=tuple(folds),
        seed=spec.search.seed,
        metric=metric,
        metrics=spec.evaluation.metrics,
        home=home,
    )
    return Prepared(
        spec=spec,
        data=data,
        n_test=len(test_rows),
        fingerprint=fingerprint(data),
        family=family,
        plan=plan,
        defaults=spec.space.defaults(family.defaults(data.task)),
    )


def _check(spec: StudySpec, data: Dataset, family: Family, metric: str) -> None:
    problems = [
        problem
        if problem.where == "model"
        else Problem(f"space.{problem.where}", problem.what)
        for problem in (
            *family.problems(spec.space, data.task, data.n_outputs),
            *_array_problems(spec, data, family),
        )
    ]
    for index, name in enumerate((metric, *spec.evaluation.metrics)):
        where = "evaluation.metric" if index == 0 else "evaluation.metrics"
        if what := why_unfit(name, data.task, data.n_classes, data.n_outputs):
            problems.append(Problem(where, what))
    if problems:
        raise SpecError(problems)


def _array_problems(spec: StudySpec, data: Dataset, family: Family) -> list[Problem]:
    """Find what a family that is given whole arrays cannot have done to them."""
    given = spec.space.declared.get("select_k")
    flat = data.is_table or not family.takes_arrays or "select_k" in family.keeps
    if flat or given is None or given.values == (None,):
        return []
    return [Problem("select_k", NO_SELECTION)]

"""The report of a study: one page with its result, figures and tables.

Made of what the store holds alone: no code of a user is imported and no data is read.
"""

from __future__ import annotations

from pathlib import Path

from hpo.analysis.result import StudyResult
from hpo.report.choice import params_part, rivals_part
from hpo.report.classification import binary_body, confusion_body
from hpo.report.elements import subheading
from hpo.report.failure_parts import failures_part
from hpo.report.headline import headline_part
from hpo.report.origin_parts import file_part, repeat_part
from hpo.report.out_of_fold import Predicted, on_test_part, out_of_fold
from hpo.report.page import Part, page, paragraphs
from hpo.report.page_file import page_file, write_whole
from hpo.report.regression import regression_body
from hpo.report.search_parts import progress_part, space_parts
from hpo.report.study_facts import StudyFacts, read_facts
from hpo.report.training_parts import curves_part, fits_part, folds_part
from hpo.store import Store


def study_report(store: Store, name: str) -> str:
    """Return one self-contained HTML document about a study.

    Args:
        store: Holds the study.
        name: Of the study.

    Raises:
        StudyNotFoundError: No study has this name.
        StoreError: The store cannot be read.
    """
    return report_page(read_facts(store, name))


def report_file(store: Store, name: str, file: str | Path | None = None) -> Path:
    """Write the report of a study, whole or not at all, and return where it is.

    Args:
        store: Holds the study.
        name: Of the study.
        file: Where to write it; None for one of the study's name in this folder.

    Raises:
        StudyNotFoundError: No study has this name.
        StoreError: The store cannot be read.
        StudyError: The file cannot be written.
    """
    place = page_file(name, file)
    write_whole(place, study_report(store, name))
    return place


def report_page(facts: StudyFacts) -> str:
    """Return the report of a study that has been read."""
    result = facts.result
    return page(
        facts.study.name,
        [
            headline_part(facts),
            *(_choice(facts, result) if result else []),
            progress_part(facts),
            *space_parts(facts),
            *(_training(facts, result) if result else []),
            *_predicted(facts),
            *failures_part(facts),
            file_part(facts),
            repeat_part(facts),
        ],
    )


def _choice(facts: StudyFacts, result: StudyResult) -> list[Part]:
    return [params_part(facts, result), rivals_part(facts, result)]


def _training(facts: StudyFacts, result: StudyResult) -> list[Part]:
    return [
        *curves_part(facts, result),
        *folds_part(facts, result),
        *fits_part(facts, result),
    ]


def _predicted(facts: StudyFacts) -> list[Part]:
    """Return what the chosen trial predicted, out of fold and on the test part."""
    if facts.result is None or facts.chosen is None:
        return []
    regression = facts.study.task == "regression"
    heading = (
        "Predicted and true values" if regression else "Which classes are confused"
    )
    if facts.rows is None:
        note = (
            "What the rows of this study are is not in the store: nothing to compare."
        )
        return [Part(heading, paragraphs([note]))]
    found = out_of_fold(facts.chosen, facts.rows)
    number = facts.chosen.number
    parts = []
    if found is None:
        note = f"The out-of-fold predictions of trial {number} were not kept."
        parts.append(Part(heading, paragraphs([note])))
    else:
        notes = paragraphs(
            [f"Out-of-fold predictions of trial {number}, the one to take."]
        )
        parts += _judged(facts, found, heading, notes)
    return [*parts, *_tested(facts)]


def _tested(facts: StudyFacts) -> list[Part]:
    assert facts.result is not None
    assert facts.rows is not None
    parts = []
    for look in facts.result.looks[:1]:
        found = on_test_part(look, facts.rows.n_classes)
        if found is not None:
            notes = paragraphs([f"Predictions of trial {look.number}, refitted."])
            parts += _judged(facts, found, "On the test part", notes)
    return parts


def _judged(
    facts: StudyFacts, found: Predicted, heading: str, notes: str
) -> list[Part]:
    rows = facts.rows
    assert rows is not None
    if rows.classes is None:
        return [Part(heading, notes + regression_body(found, rows.targets))]
    body = notes + confusion_body(found, rows.classes)
    if len(rows.classes) == 2:
        curves = binary_body(found, rows.classes)
        body += subheading("Probabilities") + curves if curves else ""
    return [Part(heading, body)]

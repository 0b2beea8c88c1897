"""The page of a comparison: in words, as curves, as tables, and how it was made."""

from __future__ import annotations

from pathlib import Path

from hpo.report.comparing import Comparison
from hpo.report.comparing_tables import tables
from hpo.report.comparing_words import words
from hpo.report.figures.anytime import anytime
from hpo.report.page import Part, figure_part, page, paragraphs, table
from hpo.report.page_file import page_file, write_whole

SECONDS = (
    "Seconds are running time over all runs of a study: wall time with all its workers "
    "at once, start-up included, pauses between runs cut out."
)


def comparison_page(comparison: Comparison) -> str:
    """Return one self-contained HTML document about a comparison."""
    labels = [group.label for group in comparison.groups]
    ends, way = (
        table(list(made.columns), [list(row) for row in made.rows])
        for made in tables(comparison)
    )
    return page(
        _title(labels),
        [
            Part("", paragraphs(words(comparison))),
            figure_part(
                "Best so far against trials",
                anytime(comparison, "trials"),
                _curve_notes(comparison),
            ),
            figure_part(
                "Best so far against seconds",
                anytime(comparison, "seconds"),
                [SECONDS, "A line begins when each of its searches has a score."],
            ),
            Part("In the end", paragraphs(_end_notes(comparison)) + ends),
            Part("On the way", paragraphs(_way_notes(comparison)) + way),
            Part("How it was made", paragraphs([*comparison.how, *comparison.notes])),
        ],
    )


def comparison_file(comparison: Comparison, file: str | Path) -> Path:
    """Write the page of a comparison, whole or not at all, and return where it is.

    Raises:
        StudyError: The file holds something that is no page, or cannot be written.
    """
    place = page_file("comparison", file)
    write_whole(place, comparison_page(comparison))
    return place


def _title(labels: list[str]) -> str:
    if len(labels) > 4:
        labels = [*labels[:3], f"{len(labels) - 3} more"]
    return f"{', '.join(labels[:-1])} and {labels[-1]} compared"


def _curve_notes(comparison: Comparison) -> list[str]:
    if not comparison.of_strategies:
        return []
    return ["A line is the median over the seeds, its band from the worst to the best."]


def _end_notes(comparison: Comparison) -> list[str]:
    if not comparison.of_strategies:
        return [
            f"{comparison.metric} of the best trial, and its spread over the folds."
        ]
    return [
        f"The best {comparison.metric} of each search: the median over the seeds, and "
        f"its range. A strategy wins a seed if it alone is best after "
        f"{comparison.n_common} trials. Seconds are the median of the whole searches."
    ]


def _way_notes(comparison: Comparison) -> list[str]:
    what = "The best score after so many trials, and the cost of the score to reach"
    if comparison.of_strategies:
        return [f"{what}: the median over the seeds, and the range of costs."]
    return [f"{what}."]

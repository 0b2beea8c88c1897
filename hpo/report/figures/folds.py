"""Figures of the top trials: their scores fold by fold, and on the rows they learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpo.records import Trial
from hpo.report.figures.scores import padded, scale_of
from hpo.report.look import (
    ACCENT,
    DOT,
    INK,
    MUTED,
    axis,
    color_bar,
    label,
    new_figure,
    score_text,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

MAX_WRITTEN = 12
"""Folds up to which scores are written in the cells."""


def fold_scores(
    trials: Sequence[Trial], metric: str, taken: int, sign: int = 1
) -> go.Figure:
    """Draw the score of each trial in each fold as a colour; the best trial on top.

    Args:
        trials: Complete ones, in the order of the rows.
        metric: The name of the score.
        taken: Number of the chosen trial.
        sign: -1 if scores are shown with their sign changed; see `hpo.report.units`.
    """
    folds = sorted({fold.fold for trial in trials for fold in trial.folds})
    scores = [{fold.fold: fold.score for fold in trial.folds} for trial in trials]
    cells = [
        [None if (s := by_fold.get(fold)) is None else sign * s for fold in folds]
        for by_fold in scores
    ]
    known = [score for row in cells for score in row if score is not None]
    written_in = len(folds) <= MAX_WRITTEN
    figure = new_figure(
        104 + 30 * len(trials),
        margin={"l": 84, "r": 20, "t": 10, "b": 50},
        meta={"minimum_width": 150 + 48 * len(folds) if written_in else 0},
    )
    figure.add_heatmap(
        z=cells,
        text=[[_text(score) for score in row] for row in cells],
        texttemplate="%{text}" if written_in else None,
        textfont={"size": 11, "color": INK},
        hoverinfo="text",
        hovertext=[
            [
                f"trial {trial.number}, fold {fold}<br>{label(metric)} {_text(score)}"
                for fold, score in zip(folds, row, strict=True)
            ]
            for trial, row in zip(trials, cells, strict=True)
        ],
        colorscale=scale_of(sign),
        zmin=min(known),
        zmax=max(known) if max(known) > min(known) else min(known) + 1,
        xgap=2,
        ygap=2,
        colorbar=color_bar(label(metric, 16)),
    )
    every = -(-len(folds) // 25)
    return figure.update_layout(
        xaxis=axis("fold", showgrid=False, ticks="", showline=False)
        | {
            "tickvals": list(range(0, len(folds), every)),
            "ticktext": [str(fold) for fold in folds[::every]],
        },
        yaxis=_trials_axis(trials, taken),
    )


def _text(score: float | None) -> str:
    return "" if score is None else score_text(score)


def _trials_axis(trials: Sequence[Trial], taken: int) -> dict[str, object]:
    names = [
        f"<b>trial {t.number}</b>" if t.number == taken else f"trial {t.number}"
        for t in trials
    ]
    return axis(range=[len(trials) - 0.5, -0.5], showgrid=False) | {
        "tickvals": list(range(len(trials))),
        "ticktext": names,
        "ticks": "",
        "showline": False,
        "fixedrange": True,
    }


def training_gaps(
    trials: Sequence[Trial], metric: str, taken: int, sign: int = 1
) -> go.Figure:
    """Draw for each trial the mean score on training and on validation rows.

    Args:
        trials: Complete ones with a training score, in the order of the rows.
        metric: The name of the score.
        taken: Number of the chosen trial.
        sign: -1 if scores are shown with their sign changed; see `hpo.report.units`.
    """
    figure = new_figure(
        110 + 30 * len(trials),
        margin={"l": 84, "r": 20, "t": 34, "b": 52},
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
    )
    train = [sign * (trial.train_score or 0.0) for trial in trials]
    validation = [sign * (trial.score or 0.0) for trial in trials]
    rows = list(range(len(trials)))
    _add_bars(figure, train, validation)
    for name, scores, color, symbol in (
        ("training", train, DOT, "square"),
        ("validation", validation, ACCENT, "circle"),
    ):
        figure.add_scatter(
            x=scores,
            y=rows,
            mode="markers",
            name=name,
            marker={"color": color, "size": 10, "symbol": symbol},
            hoverinfo="text",
            hovertext=[
                f"trial {trial.number}, {name}: {label(metric)} {score_text(score)}"
                for trial, score in zip(trials, scores, strict=True)
            ],
        )
    low, high = min(train + validation), max(train + validation)
    return figure.update_layout(
        xaxis=axis(label(metric), range=padded(low, high), nticks=6),
        yaxis=_trials_axis(trials, taken),
    )


def _add_bars(
    figure: go.Figure, train: Sequence[float], validation: Sequence[float]
) -> None:
    """Join the two scores of each trial."""
    x: list[float | None] = []
    y: list[float | None] = []
    for row, (one, other) in enumerate(zip(train, validation, strict=True)):
        x += [one, other, None]
        y += [row, row, None]
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": MUTED, "width": 2},
        hoverinfo="skip",
        showlegend=False,
    )

"""The figure of how much each hyperparameter mattered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hpo.report.look import DOT, axis, label, new_figure, noted, only_note

if TYPE_CHECKING:
    import plotly.graph_objects as go

MAX_BARS = 25


def importance_bars(importances: Mapping[str, float]) -> go.Figure:
    """Draw the share of each hyperparameter as a bar, the greatest on top.

    Args:
        importances: Shares from 0 to 1 by name, as from
            `hpo.search.optuna_study.importances`.
    """
    if not importances:
        return only_note("Too few different scores to tell what mattered.")
    ordered = sorted(importances.items(), key=lambda share: -share[1])
    bars = ordered[:MAX_BARS]
    figure = new_figure(70 + 30 * len(bars), bargap=0.35)
    figure.update_layout(margin={"l": 20, "r": 64, "t": 8, "b": 52})
    figure.add_bar(
        x=[share for _, share in bars],
        y=list(range(len(bars))),
        orientation="h",
        marker={"color": DOT},
        text=[_percent(share) for _, share in bars],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="text",
        hovertext=[f"{label(name, 60)}: {_percent(share)}" for name, share in bars],
    )
    figure.update_layout(
        xaxis=axis("share of importance", range=[0, bars[0][1] or 1])
        | {
            "tickformat": ".0%",
            "nticks": 5,
            "tickangle": 0,
            "showline": False,
            "ticks": "",
        },
        yaxis=axis(
            tickvals=list(range(len(bars))),
            ticktext=[label(name, 20) for name, _ in bars],
            range=[len(bars) - 0.5, -0.5],
            showgrid=False,
            fixedrange=True,
            ticks="",
        ),
    )
    hidden = len(ordered) - len(bars)
    note = f"{hidden} less important ones are not shown" if hidden else ""
    return noted(figure, [note])


def _percent(share: float) -> str:
    return "< 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"

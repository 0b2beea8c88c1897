"""Figures of a study's trials: what came of them, and which hyperparameters mattered.

Each is a function of records that returns a plotly figure, a note where there is
nothing to draw. Trials beyond the stop are left out of all of them.
"""

from hpo.report.figures.best import best_so_far
from hpo.report.figures.importance import importance_bars
from hpo.report.figures.parallel import parallel_coordinates
from hpo.report.figures.slices import slices

__all__ = ["best_so_far", "importance_bars", "parallel_coordinates", "slices"]

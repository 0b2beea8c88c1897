"""The study file: what it may say, how it is read, and what is wrong with it.

Only the top of the package reads a study file; everything below takes plain arguments.
"""

from __future__ import annotations

from hpo.spec.changes import Change, differences
from hpo.spec.fields import parse_duration
from hpo.spec.model import (
    DataSpec,
    EngineSpec,
    EvaluationSpec,
    SearchSpec,
    StudySpec,
)
from hpo.spec.read import parse_study, read_study

__all__ = [
    "Change",
    "DataSpec",
    "EngineSpec",
    "EvaluationSpec",
    "SearchSpec",
    "StudySpec",
    "differences",
    "parse_duration",
    "parse_study",
    "read_study",
]

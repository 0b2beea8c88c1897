"""The study: create, go on, stop. The only writer of the store."""

from hpo.study.prepare import Prepared, prepare
from hpo.study.progress import Observer, Progress
from hpo.study.run import Outcome, StudyRun, local_engine

__all__ = [
    "Observer",
    "Outcome",
    "Prepared",
    "Progress",
    "StudyRun",
    "local_engine",
    "prepare",
]

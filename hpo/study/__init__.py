"""The study: create, go on, stop. The only writer of the store."""

from hpo.study.prepare import Prepared, prepare
from hpo.study.progress import Observer, Progress
from hpo.study.run import Outcome, StudyRun
from hpo.study.workers import local_engine, started_early

__all__ = [
    "Observer",
    "Outcome",
    "Prepared",
    "Progress",
    "StudyRun",
    "local_engine",
    "prepare",
    "started_early",
]

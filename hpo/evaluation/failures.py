"""How a pair that could not be scored becomes a failed fold result."""

from __future__ import annotations

import traceback
from pathlib import Path

from hpo.errors import HpoError, TrialError
from hpo.evaluation.plan import Pair
from hpo.models.stopping import lacks_memory
from hpo.records import FoldResult

MAX_ERROR_CHARACTERS = 20_000
_PACKAGE = Path(__file__).parents[1]


def failed_result(pair: Pair, error: Exception, engine: str = "") -> FoldResult:
    """Word a failure: its kind, and the traceback for whoever has to mend it.

    Args:
        pair: What failed.
        error: Why; a `TrialError` may know what was training it.
        engine: What has trained it, if it was trained.
    """
    kind = kind_of_failure(error)
    text = "".join(_own_lines(error).format())
    if len(text) > MAX_ERROR_CHARACTERS:
        half = MAX_ERROR_CHARACTERS // 2
        text = f"{text[:half]}\n...\n{text[-half:]}"
    if not engine and isinstance(error, TrialError):
        engine = error.engine
    return FoldResult(fold=pair.fold, failure=kind, error=text, engine=engine)


def kind_of_failure(error: Exception) -> str:
    """Return which of `hpo.records.FAILURE_KINDS` an error is."""
    if isinstance(error, TrialError):
        return error.kind
    return "memory" if lacks_memory(error) else "error"


def _own_lines(error: BaseException) -> traceback.TracebackException:
    """Return the traceback of an error from the user's first own line on."""
    told = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = told
    cause: BaseException | None = error
    while part is not None and cause is not None:
        frames = list(part.stack)
        own = next(
            (i for i, frame in enumerate(frames) if not _is_ours(frame.filename)), None
        )
        if own is not None:
            part.stack = traceback.StackSummary.from_list(frames[own:])
        elif isinstance(cause, HpoError):
            # Said on purpose: the words are all there is to know.
            part.stack = traceback.StackSummary()
        part, cause = part.__cause__, cause.__cause__
    return told


def _is_ours(filename: str) -> bool:
    return Path(filename).is_relative_to(_PACKAGE) or "keras_tuner" in filename

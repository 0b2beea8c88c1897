"""The calls that are made to MLflow, with short time limits and plain errors.

MLflow and what it raises stay in this module. Every call may be made again: runs are
looked up before they are made, and everything else means the same the second time.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hpo.crash_points import crash_point
from hpo.errors import TrackingError
from hpo.tracking.address import masked
from hpo.tracking.content import PARENT, Point, Status
from hpo.tracking.names import without_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")

CALL_SECONDS = 10
UPLOAD_SECONDS = 60
PAGE = 1000

SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": str(UPLOAD_SECONDS),
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""MLflow's own time limit is 120 seconds, with seven retries."""

EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.experiment.primaryMetric.name": "mean_test_score",
    "mlflow.experiment.primaryMetric.greaterIsBetter": "True",
}
"""What the user interface is for here; some versions go by the address instead."""

REFUSED = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "MALFORMED_REQUEST")


class RefusedError(TrackingError):
    """MLflow does not take this, however often it is sent."""


class ArtifactError(TrackingError):
    """A file could not be written to where MLflow keeps its artifacts."""


class Client:
    """MLflow at one address.

    Args:
        uri: Of the tracking server or database.
        call_seconds: How long a server may take to answer.

    Raises:
        TrackingError: It cannot be reached or used; so does every method, and
            `RefusedError` where sending the same again would not help.
    """

    def __init__(self, uri: str, *, call_seconds: int = CALL_SECONDS) -> None:
        self.uri, self._call_seconds = uri, call_seconds
        os.environ.update(SETTINGS | {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(call_seconds)})
        self._mlflow: MlflowClient = self._call("open", lambda: _open(uri))

    @property
    def is_server(self) -> bool:
        """Whether calls go over HTTP, where several at once are faster."""
        return self.uri.startswith(("http://", "https://"))

    def call(self, name: str, work: Callable[[], T]) -> T:
        """Do what talks to MLflow; whatever it raises becomes a `TrackingError`."""
        return self._call(name, work)

    def _call(self, name: str, work: Callable[[], T]) -> T:
        from mlflow.exceptions import MlflowException

        with crash_point(f"tracking.{name}"):
            try:
                return work()
            except MlflowException as error:
                kind = RefusedError if error.error_code in REFUSED else TrackingError
                raise kind(self._words(error)) from error
            except Exception as error:
                # Databases, file systems and clouds all raise errors of their own.
                raise TrackingError(self._words(error)) from error

    def _words(self, error: Exception) -> str:
        where = masked(self.uri)
        return f"MLflow at {where}: {_plain(error, where, self._call_seconds)}"

    def find_experiment(self, name: str) -> str | None:
        """Return the id of the experiment with this name, if there is one."""
        found = self._named(name)
        return None if found is None else str(found.experiment_id)

    def _named(self, name: str) -> Any:
        return self._call(
            "get_experiment", lambda: self._mlflow.get_experiment_by_name(name)
        )

    def experiment(self, name: str) -> str:
        """Return the id of the experiment with this name; make it if there is none."""
        found = self._named(name)
        if found is None:
            return self._call(
                "create_experiment",
                lambda: self._mlflow.create_experiment(name, tags=EXPERIMENT_TAGS),
            )
        experiment_id: str = found.experiment_id
        if found.lifecycle_stage == "deleted":
            self._call(
                "restore_experiment",
                lambda: self._mlflow.restore_experiment(experiment_id),
            )
        return experiment_id

    def find_runs(
        self, experiment_id: str, tags: Mapping[str, str]
    ) -> dict[str, dict[str, str]]:
        """Return the tags of each run that has these tags and is not deleted, by id.

        MLflow has no way to search for a text with quotes or backslashes in it.
        """
        wanted = " and ".join(
            f"tags.`{name}` = '{text}'" for name, text in tags.items()
        )
        found: dict[str, dict[str, str]] = {}
        token = None
        while True:
            page: Any = self._call(
                "search_runs",
                lambda token=token: self._mlflow.search_runs(  # type: ignore[misc]
                    [experiment_id], wanted, max_results=PAGE, page_token=token
                ),
            )
            found |= {run.info.run_id: dict(run.data.tags) for run in page}
            token = page.token
            if not token:
                return found

    def is_active(self, run_id: str, experiment_id: str) -> bool:
        """Tell whether there is such a run there, and nobody has deleted it."""
        try:
            run: Any = self._call("get_run", lambda: self._mlflow.get_run(run_id))
        except TrackingError as error:
            cause: Any = error.__cause__
            if getattr(cause, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        same = run.info.experiment_id == experiment_id
        return bool(same and run.info.lifecycle_stage == "active")

    def create_run(
        self,
        experiment_id: str,
        name: str,
        start: int,
        tags: Mapping[str, str],
        *,
        parent: str | None = None,
    ) -> str:
        """Make a run that began at ``start`` (milliseconds) and return its id."""
        given = dict(tags) if parent is None else {**tags, PARENT: parent}
        run: Any = self._call(
            "create_run",
            lambda: self._mlflow.create_run(
                experiment_id, start_time=start, tags=given, run_name=name
            ),
        )
        return str(run.info.run_id)

    def log(
        self,
        run_id: str,
        *,
        points: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write values of metrics, params and tags in as few requests as MLflow has."""
        if not points and not params and not tags:
            return
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(p.key, p.value, p.timestamp, p.step) for p in points]
        written = [Param(name, text) for name, text in (params or {}).items()]
        marked = [RunTag(name, text) for name, text in (tags or {}).items()]
        self._call(
            "log_batch",
            lambda: self._mlflow.log_batch(run_id, metrics, written, marked),
        )

    def log_dataset(self, run_id: str, name: str, digest: str, source: str) -> None:
        """Note the data that a run learns from."""
        from mlflow.entities import Dataset, DatasetInput

        data = Dataset(name=name, digest=digest, source_type="hpo", source=source)
        self._call(
            "log_inputs",
            lambda: self._mlflow.log_inputs(run_id, [DatasetInput(data, [])]),
        )

    def log_texts(self, run_id: str, texts: Mapping[str, str]) -> None:
        """Write artifacts by file name; one that is there is replaced.

        Raises:
            ArtifactError: They cannot be written; the rest of the run is as it was.
        """
        if not texts:
            return
        with tempfile.TemporaryDirectory(prefix="hpo-") as folder:
            for name, text in texts.items():
                path = Path(folder) / name
                path.write_text(text, encoding="utf-8", errors="backslashreplace")
                self._log_file(run_id, path)

    def _log_file(self, run_id: str, path: Path) -> None:
        try:
            self._call(
                "log_artifact", lambda: self._mlflow.log_artifact(run_id, str(path))
            )
        except TrackingError as error:
            raise ArtifactError(f"{error} (while writing {path.name})") from error

    def finish(self, run_id: str, status: Status, end: int | None) -> None:
        """Say how a run stands, and when it ended (milliseconds)."""
        if end is None:
            self._call("set_status", lambda: self._mlflow.update_run(run_id, status))
        else:
            self._call(
                "set_terminated",
                lambda: self._mlflow.set_terminated(run_id, status, end),
            )

    def delete_run(self, run_id: str) -> None:
        """Put a run into MLflow's wastebasket."""
        self._call("delete_run", lambda: self._mlflow.delete_run(run_id))


def _open(uri: str) -> MlflowClient:
    from mlflow import MlflowClient

    path = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and not (path.exists() and path.stat().st_size):
        make_database(path)
    return MlflowClient(tracking_uri=uri)


def make_database(path: Path) -> None:
    """Make MLflow's database in a file that is not there yet, whole or not at all.

    MLflow makes its tables in many steps, and a file that was left half made can never
    be opened again. Of several processes one makes it.
    """
    from mlflow import MlflowClient

    with tempfile.TemporaryDirectory(prefix=".mlflow-", dir=path.parent) as folder:
        made = Path(folder) / path.name
        MlflowClient(tracking_uri=f"sqlite:///{made}").search_experiments()
        if path.exists() and path.stat().st_size == 0:
            path.unlink()
        # Another process may have made it meanwhile, which is as good.
        with contextlib.suppress(FileExistsError):
            os.link(made, path)


def _plain(error: Exception, where: str, call_seconds: int) -> str:
    """Return what an error says in one line, with what to do where that is known."""
    text = " ".join(without_secrets(str(error)).split())
    text = text.partition("[SQL:")[0].partition("(Background on")[0].strip()
    status = getattr(error, "get_http_status_code", lambda: None)()
    if "out-of-date database schema" in text:
        return f"is of another version; back it up, then run: mlflow db upgrade {where}"
    if "file is not a database" in text or "malformed" in text:
        return "is damaged or no database; move it away, and a new one is made"
    if "already exists" in text or "duplicate column" in text:
        return f"was left half made ({text[:100]}); move it away, and a new one is made"
    if "Invalid Host header" in text:
        return "does not know its own address; start it with that in --allowed-hosts"
    if "error code 401" in text or "error code 403" in text or status in (401, 403):
        return (
            "refuses the name and password; set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD"
        )
    if "timeout" in text.lower() or "timed out" in text.lower():
        return f"did not answer within {call_seconds} s"
    for sign in ("Connection refused", "Name or service not known", "unreachable"):
        if sign in text:
            return f"cannot be reached ({sign.lower()})"
    return text[:300]

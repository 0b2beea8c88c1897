"""An MLflow server that can be killed, frozen and wiped, and a bad line to it."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, Literal

HOST = "127.0.0.1"
START_SECONDS = 90.0


class Server:
    """A real MLflow server on this machine.

    Args:
        folder: For its database and its artifacts.
        template: A database without studies, copied for a quick start; None to begin
            without a database.
        words: Further words of the command.
        env: Further variables.
    """

    def __init__(
        self,
        folder: Path,
        template: Path | None,
        *words: str,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.database, self._artifacts = folder / "mlflow.db", folder / "artifacts"
        self._folder, self._template = folder, template
        self._words, self._env = words, dict(env or {})
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.wipe()

    @property
    def uri(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def database_uri(self) -> str:
        """Where the same runs are read without the server."""
        return f"sqlite:///{self.database}"

    def start(self) -> None:
        """Start it if it does not run, and wait until it answers."""
        if self._process is None:
            with (self._folder / "server.log").open("ab") as log:
                self._process = self._popen(log)
        wait_until(self._answers, START_SECONDS, "the server did not start")

    def _popen(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                *("--host", HOST, "--port", str(self.port)),
                *("--artifacts-destination", str(self._artifacts), *self._words),
            ],
            cwd=self._folder,
            env={
                **os.environ,
                "MLFLOW_BACKEND_STORE_URI": self.database_uri,
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                **self._env,
            },
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "server.log").read_text()
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """End it without a warning."""
        if self._process is not None:
            self.tell(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def wipe(self) -> None:
        """Forget every run and file; it must not run."""
        assert self._process is None
        for path in self._folder.glob("mlflow.db*"):
            path.unlink()
        shutil.rmtree(self._artifacts, ignore_errors=True)
        if self._template is not None:
            shutil.copy(self._template, self.database)

    def n_runs(self, study: str) -> int:
        """Count the runs that it has of a study."""
        sql = (
            "SELECT count(*) FROM runs JOIN experiments USING (experiment_id) "
            "WHERE experiments.name = ?"
        )
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        try:
            return int(connection.execute(sql, (study,)).fetchone()[0])
        finally:
            connection.close()


Mode = Literal["pass", "error", "slow", "cut", "silent"]


class Line:
    """A line to a server: it passes, answers 500, is slow, is cut, or says nothing.

    A line that is ``cut`` breaks between the server's work and its answer.

    Attributes:
        choose: Called with the number of the request, from 1; returns how it fares.
        n_requests: How many there have been.
    """

    def __init__(self, port: int, slow_seconds: float = 1.0) -> None:
        self.choose: Callable[[int], Mode] = lambda number: "pass"
        self.n_requests = 0
        self._counting = threading.Lock()
        line = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                mode = line._count()
                size = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(size)
                if mode == "silent":
                    line._closed.wait()
                    return
                if mode == "error":
                    self.send_error(500, "told to")
                    return
                if mode == "slow":
                    time.sleep(slow_seconds)
                upstream = http.client.HTTPConnection(HOST, port, timeout=60)
                headers = {**dict(self.headers), "Connection": "close"}
                upstream.request(self.command, self.path, body, headers)
                answer = upstream.getresponse()
                said = answer.read()
                upstream.close()
                if mode == "cut":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                return

        self._closed = threading.Event()
        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def uri(self) -> str:
        return f"http://{HOST}:{self._server.server_port}"

    def _count(self) -> Mode:
        with self._counting:
            self.n_requests += 1
            return self.choose(self.n_requests)

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def line_to(server: Server, slow_seconds: float = 1.0) -> Iterator[Line]:
    line = Line(server.port, slow_seconds)
    try:
        yield line
    finally:
        line.close()


def wait_until(
    happened: Callable[[], bool], seconds: float, otherwise: str, every: float = 0.1
) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(every)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])

"""`hpo ui`: MLflow's user interface on this machine, and where each study is in it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from hpo.cli.console import clean, out, say
from hpo.cli.exit_codes import GONE
from hpo.cli.tracking import tracking_address
from hpo.errors import Problem, SpecError, StudyNotFoundError, TrackingError
from hpo.store import Store
from hpo.tracking import masked
from hpo.tracking.address import page
from hpo.tracking.client import Client
from hpo.tracking.names import experiment_name

HOST = "127.0.0.1"
_COMMAND = ("-m", "mlflow", "ui", "--host", HOST, "--workers", "1")
RUNS = "/runs?workflowType=machine_learning"
"""Without it the page opens with what MLflow has for language models."""
N_PORTS = 20
MAX_PORT = 65535
START_SECONDS = 120.0
STOP_SECONDS = 5.0


def serve_ui(name: str | None, port: int, tracking: str | None, store_url: str) -> int:
    """Serve until interrupted; return the exit code.

    An MLflow that is a server already is not served again: only its pages are named.

    Raises:
        HpoError: There is nothing to show, or it cannot be reached.
    """
    uri = tracking_address(tracking, store_url)
    if uri is None:
        what = "expected the address of an MLflow to show; got none"
        raise SpecError([Problem("--tracking", what)])
    if uri.startswith(("http://", "https://")):
        _name_pages(Client(uri), masked(uri), name, store_url)
        return 0
    path = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and not path.exists():
        raise TrackingError(
            f"MLflow has nothing to show yet: there is no {path}; run a study here "
            f"first (hpo run FILE), or name another with --tracking"
        )
    free = _free_port(port)
    if free != port:
        say(f"port {port} is taken; using {free}")
    return _serve(uri, free, name, store_url)


def _serve(uri: str, port: int, name: str | None, store_url: str) -> int:
    say("starting the MLflow UI (this takes some seconds) ...")
    # A file, because a pipe that nobody reads would stop the server once it is full.
    with tempfile.TemporaryFile() as words:
        return _run_server(uri, port, name, store_url, words)


def _run_server(
    uri: str, port: int, name: str | None, store_url: str, words: IO[bytes]
) -> int:
    server = subprocess.Popen(
        [sys.executable, *_COMMAND, "--port", str(port)],
        # The address may hold a password, which a command line would show to everybody.
        env=os.environ
        | {
            "MLFLOW_BACKEND_STORE_URI": uri,
            "MLFLOW_TRACKING_URI": "",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        stdout=subprocess.DEVNULL,
        stderr=words,
        start_new_session=True,
    )
    names = ("SIGTERM", "SIGHUP")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, _interrupt) for number in signals}
    try:
        base = f"http://{HOST}:{port}"
        if not _answers(f"{base}/health", server):
            say(
                f"the MLflow UI did not start: {_last_words(server, words)}",
                style="red",
            )
            return GONE
        _name_pages(Client(uri), base, name, store_url)
        say("Ctrl-C stops it")
        server.wait()
        return GONE
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(server)
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    """Let a kill and a closed terminal end the server, which is in its own session."""
    raise KeyboardInterrupt


def _name_pages(client: Client, base: str, name: str | None, store_url: str) -> None:
    """Print the address of each study's page."""
    if name is None:
        there = Store(store_url).summaries() if Store.exists(store_url) else []
        names = [summary.name for summary in there]
    else:
        names = [name]
    out().print(base)
    for study in names:
        experiment_id = client.find_experiment(experiment_name(study))
        if experiment_id is not None:
            address = page(base, experiment_id) + RUNS
            out().print(f"{clean(study)}: {address}", soft_wrap=True)
        elif name is not None:
            raise StudyNotFoundError(
                f"MLflow at {masked(client.uri)} has no study {name!r}; "
                f"hpo sync '{name}' sends it there"
            )


def _free_port(wanted: int) -> int:
    """Return the first port from ``wanted`` on that nobody listens on."""
    for port in range(wanted, min(wanted + N_PORTS, MAX_PORT + 1)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    last = min(wanted + N_PORTS - 1, MAX_PORT)
    what = f"expected a free port; {wanted} to {last} are all taken"
    raise SpecError([Problem("--port", what)])


def _answers(address: str, server: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers; tell whether it does."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return False


def _last_words(server: subprocess.Popen[bytes], words: IO[bytes]) -> str:
    server.kill()
    server.wait()
    words.seek(0)
    said = words.read().decode(errors="replace").strip().splitlines()
    return said[-1] if said else "it said nothing"


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server with the processes that it has started."""
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            say("the MLflow UI does not stop; ending it", style="yellow")
    try:
        os.killpg(server.pid, signal.SIGKILL)
    except ProcessLookupError:
        return

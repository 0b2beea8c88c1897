"""The service of docker-compose.yml: its rules, and its own commands without Docker.

The file is read and every rule checked. Then what its services would run is run as
processes on the loopback address: the same options, the same environment, and the same
script that makes the databases.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from postgres_server import REQUIRED, NoServerError, temporary_server
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]

SECRETS = {
    "POSTGRES_PASSWORD": "the administrator's",
    "HPO_POSTGRES_PASSWORD": 'it\'s $HOME & "100 %" \\ ours',
    "MLFLOW_POSTGRES_PASSWORD": "p@ss:word/with?signs",
}
"""Passwords that would not survive a careless script or address."""

ALLOWED_HOSTS = {"mlflow:5000", "localhost:*", "127.0.0.1:*"}

_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:[-?])([^}]*))?\})")
_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY", re.IGNORECASE)


@pytest.fixture
def compose() -> dict[str, Any]:
    return read()


def read() -> dict[str, Any]:
    """Return docker-compose.yml as it stands; what it merges in is in each service."""
    made = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())
    return copy.deepcopy(made)


def expand(value: Any, variables: dict[str, str]) -> Any:
    """Put variables in, as Compose does.

    Raises:
        LookupError: A required variable is missing or empty; says what to do.
    """
    if isinstance(value, dict):
        return {key: expand(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def put(found: re.Match[str]) -> str:
        dollar, name, operator, words = found.groups()
        if dollar:
            return "$"
        if variables.get(name):
            return variables[name]
        if operator == ":?":
            raise LookupError(f"{name}: {words}")
        return words or ""

    return _VARIABLE.sub(put, value)


def test_variables_are_put_in_as_compose_does():
    given = {"a": ["${X:?say X}", "$${X}"], "b": "${Y:-7}${Z}", "c": 1}
    assert expand(given, {"X": "$5"}) == {"a": ["$5", "${X}"], "b": "7", "c": 1}
    with pytest.raises(LookupError, match="X: say X"):
        expand(given, {"X": ""})


# Rules of the file


def broken_rules(compose: dict[str, Any]) -> list[str]:
    """Return what is wrong with a compose file, one sentence for each rule broken."""
    services = compose["services"]
    return [
        *(f"{name} {what}" for name in services for what in _any(services[name])),
        *(f"postgres {what}" for what in _postgres(services["postgres"], compose)),
        *(f"mlflow {what}" for what in _mlflow(services["mlflow"], compose)),
        *(f"hpo {what}" for what in _hpo(services["hpo"])),
    ]


def _any(service: dict[str, Any]) -> Iterator[str]:
    for port in service.get("ports", []):
        if not str(port).startswith("127.0.0.1:"):
            yield "publishes a port beyond this machine"
    for name, value in service["environment"].items():
        asked_for = re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+ \.env[^}]*\}", str(value))
        if _SECRET.search(name) and not asked_for:
            yield "has a secret that is not asked for"
    words = json.dumps([service.get("entrypoint"), service["environment"]])
    if re.search(r"://[^/@\s]*:[^/@\s]*@", words):
        yield "has a password in an address"
    recipe = service.get("build", {}).get("dockerfile_inline", "")
    users = re.findall(r"^USER (\S+)$", recipe, re.MULTILINE)
    if service.get("user", users[-1] if users else "root") == "root":
        yield "runs as root"
    if service.get("cap_drop") != ["ALL"] or not service.get("security_opt"):
        yield "has more privileges than it needs"
    if recipe and "-c constraints.txt" not in recipe.replace("/tmp/", ""):
        yield "installs versions that were not tested"
    # Compose looks in the registry for an image with a name before it builds one.
    if recipe and "image" in service:
        yield "could be taken from a registry"


def _postgres(service: dict[str, Any], compose: dict[str, Any]) -> Iterator[str]:
    if not re.fullmatch(r"postgres:\d+", service["image"]):
        yield "has no fixed major version"
    if "ports" in service:
        yield "publishes a port"
    if not _is_volume(service, "/var/lib/postgresql", compose):
        yield "keeps its data in no named volume"
    # What listens on a socket only, while the databases are made, is not ready.
    if "--host=127.0.0.1" not in service.get("healthcheck", {}).get("test", []):
        yield "has no health check by TCP"
    targets = {c["source"]: c["target"] for c in service.get("configs", [])}
    if not targets.get("databases", "").startswith("/docker-entrypoint-initdb.d/"):
        yield "does not make the databases"


def _mlflow(service: dict[str, Any], compose: dict[str, Any]) -> Iterator[str]:
    options = dict(word.partition("=")[::2] for word in service["entrypoint"])
    if set(options.get("--allowed-hosts", "*").split(",")) != ALLOWED_HOSTS:
        yield "answers under other names than its own and localhost"
    if "--serve-artifacts" not in options:
        yield "does not take artifacts"
    artifacts = Path(options["--artifacts-destination"])
    if not _is_volume(service, str(artifacts.parent), compose):
        yield "keeps artifacts in no named volume"
    if service["environment"].get("MLFLOW_SERVER_ENABLE_JOB_EXECUTION") != "false":
        yield "runs jobs"
    if service["environment"].get("MLFLOW_DISABLE_TELEMETRY") != "true":
        yield "reports its use"
    if "/health" not in str(service.get("healthcheck", {}).get("test")):
        yield "has no health check"
    if not _waits_for(service, "postgres"):
        yield "does not wait for postgres"


def _hpo(service: dict[str, Any]) -> Iterator[str]:
    if not {"HPO_STORE", "MLFLOW_TRACKING_URI"} <= set(service["environment"]):
        yield "has no store or no tracking"
    for name in ("postgres", "mlflow"):
        if not _waits_for(service, name):
            yield f"does not wait for {name}"


def _is_volume(service: dict[str, Any], target: str, compose: dict[str, Any]) -> bool:
    return any(
        name in compose["volumes"] and place == target
        for name, _, place in (v.partition(":") for v in service.get("volumes", []))
    )


def _waits_for(service: dict[str, Any], name: str) -> bool:
    waits = service.get("depends_on", {})
    condition = waits[name].get("condition") if name in waits else None
    return bool(condition == "service_healthy")


def test_the_file_breaks_no_rule(compose):
    assert broken_rules(compose) == []


@pytest.mark.parametrize(
    ("place", "value", "rule"),
    [
        ("mlflow.ports", ["5000:5000"], "publishes a port beyond this machine"),
        ("mlflow.ports", ["0.0.0.0:5000:5000"], "publishes a port beyond this machine"),
        ("postgres.ports", ["127.0.0.1:5432:5432"], "postgres publishes a port"),
        ("hpo.environment.PGPASSWORD", "${P:-secret}", "hpo has a secret"),
        ("hpo.environment.PGPASSWORD", "${P:?}", "hpo has a secret"),
        ("mlflow.environment.PGPASSWORD", "secret", "mlflow has a secret"),
        (
            "hpo.environment.HPO_STORE",
            "postgresql+psycopg://hpo:${HPO_POSTGRES_PASSWORD}@postgres/hpo",
            "hpo has a password in an address",
        ),
        ("hpo.environment", {}, "hpo has no store or no tracking"),
        ("postgres.healthcheck", {}, "postgres has no health check by TCP"),
        ("postgres.healthcheck.test", ["CMD", "pg_isready"], "no health check by TCP"),
        ("mlflow.healthcheck", {}, "mlflow has no health check"),
        ("mlflow.depends_on", {"postgres": {}}, "mlflow does not wait for postgres"),
        ("hpo.depends_on", {}, "hpo does not wait for mlflow"),
        ("postgres.user", "root", "postgres runs as root"),
        ("hpo.build.dockerfile_inline", "FROM python", "hpo runs as root"),
        ("mlflow.build.dockerfile_inline", "FROM python", "that were not tested"),
        ("hpo.image", "hpo", "hpo could be taken from a registry"),
        ("mlflow.cap_drop", [], "mlflow has more privileges than it needs"),
        ("postgres.image", "postgres:latest", "postgres has no fixed major version"),
        ("postgres.volumes", ["./data:/var/lib/postgresql"], "in no named volume"),
        ("postgres.configs", [], "postgres does not make the databases"),
        ("mlflow.volumes", [], "mlflow keeps artifacts in no named volume"),
        (
            "mlflow.entrypoint",
            ["mlflow", "server", "--artifacts-destination=/tmp/artifacts"],
            "mlflow answers under other names",
        ),
        ("mlflow.environment.MLFLOW_DISABLE_TELEMETRY", "", "mlflow reports its use"),
        ("mlflow.environment.MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "", "runs jobs"),
    ],
)
def test_a_broken_rule_is_found(compose, place, value, rule):
    *path, last = place.split(".")
    part = compose["services"]
    for key in path:
        part = part[key]
    part[last] = value
    assert any(rule in what for what in broken_rules(compose))


def test_each_missing_secret_is_asked_for_by_name(compose):
    for name in SECRETS:
        with pytest.raises(LookupError, match=f"^'?{name}: put a password .* docs/"):
            expand(compose, SECRETS | {name: ""})


def test_images_are_built_from_what_they_need_and_nothing_else(compose):
    first, *lines = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert first == "*"
    taken = {line[1:] for line in lines if line.startswith("!")}
    assert taken == {"hpo", "studies", "README.md", "constraints.txt", "pyproject.toml"}
    assert {"**/*.db", "**/__pycache__", "**/.env"} <= set(lines)
    for name in ("hpo", "mlflow"):
        build = compose["services"][name]["build"]
        assert build["context"] == "."
        copied = re.findall(
            r"^COPY (?:--\S+ )*(\S+)", build["dockerfile_inline"], re.MULTILINE
        )
        assert {*copied} <= taken | {"."}


def test_the_guide_explains_every_variable_and_volume(compose):
    guide = (ROOT / "docs" / "service.md").read_text()
    used = re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text())
    assert {*used} == {*re.findall(r"^\| `([A-Z_]+)`", guide, re.MULTILINE)}
    named = re.findall(rf"^\| `{compose['name']}_(\w+)`", guide, re.MULTILINE)
    assert {*named} == set(compose["volumes"])


# The services without Docker


@dataclass(frozen=True)
class Services:
    """The services of the file as processes on the loopback address.

    Args:
        administrator: Address of the PostgreSQL server's database ``postgres``.
        mlflow: Address of MLflow.
        hpo: The environment of the service hpo.
        folder: In the place of MLflow's volume.
        process: MLflow's.
    """

    administrator: sa.URL
    mlflow: str
    hpo: dict[str, str]
    folder: Path
    process: subprocess.Popen[bytes]

    def rows(self, database: str, query: str, **url: str) -> list[Any]:
        """Return what a query finds in one of the databases, as its own role."""
        address = self.administrator.set(database=database, username=database)
        with _engine(address.set(**url)).connect() as connection:
            return list(connection.execute(sa.text(query)))

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Return the status and text of MLflow's answer."""
        request = urllib.request.Request(f"{self.mlflow}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def _engine(address: sa.URL) -> sa.Engine:
    return sa.create_engine(
        address.set(drivername="postgresql+psycopg"),
        poolclass=sa.NullPool,
        isolation_level="AUTOCOMMIT",
    )


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("service")
    declared = expand(read(), SECRETS)
    with databases(declared, folder) as administrator:
        port = _free_port()
        here = _loopback(
            {
                "@postgres/": f"@127.0.0.1:{administrator.port}/",
                "http://mlflow:5000": f"http://127.0.0.1:{port}",
                "http://127.0.0.1:5000": f"http://127.0.0.1:{port}",
                "--port=5000": f"--port={port}",
                "0.0.0.0": "127.0.0.1",
                "/var/lib/mlflow": str(folder),
            }
        )
        made = {name: here(service) for name, service in declared["services"].items()}
        with mlflow_server(made["mlflow"], folder) as process:
            yield Services(
                administrator=administrator,
                mlflow=f"http://127.0.0.1:{port}",
                hpo=made["hpo"]["environment"],
                folder=folder,
                process=process,
            )


def _loopback(names: dict[str, str]) -> Callable[[Any], Any]:
    """Return what replaces the names of containers by what is on this machine."""

    def here(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: here(item) for key, item in value.items()}
        if isinstance(value, list):
            return [here(item) for item in value]
        if isinstance(value, str):
            for name, place in names.items():
                value = value.replace(name, place)
        return value

    return here


@contextmanager
def databases(declared: dict[str, Any], folder: Path) -> Iterator[sa.URL]:
    """Start PostgreSQL and make the databases as the image does; yield its address."""
    try:
        psql = shutil.which("psql")
        if psql is None:
            raise NoServerError("PostgreSQL's psql is not installed")
        with temporary_server() as given:
            url = _as_in_the_image(sa.make_url(given))
            script = folder / "databases.sql"
            script.write_text(declared["configs"]["databases"]["content"])
            # The options of the image's own docker-entrypoint.sh.
            options = [psql, "-vON_ERROR_STOP=1", "--no-password", "--no-psqlrc"]
            where = ["--host=127.0.0.1", f"--port={url.port}", "--dbname=postgres"]
            subprocess.run(
                [*options, "--username=postgres", *where, "-f", str(script)],
                env=_environment(declared["services"]["postgres"]["environment"]),
                check=True,
                timeout=60,
            )
            yield url
    except NoServerError as error:
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{error}; {REQUIRED}=1 forbids to skip", pytrace=False)
        pytest.skip(str(error))


def _as_in_the_image(url: sa.URL) -> sa.URL:
    """Give a server the image's administrator, and let it ask for passwords."""
    with _engine(url).connect() as connection:
        connection.execute(sa.text("CREATE ROLE postgres SUPERUSER LOGIN"))
    url = url.set(username="postgres")
    with _engine(url).connect() as connection:
        connection.execute(sa.text("ALTER ROLE hpo RENAME TO first_administrator"))
        rules = Path(connection.execute(sa.text("SHOW hba_file")).scalar_one())
        asked = "host hpo,mlflow all 127.0.0.1/32 scram-sha-256\n"
        rules.write_text(asked + rules.read_text())
        connection.execute(sa.text("SELECT pg_reload_conf()"))
    return url


@contextmanager
def mlflow_server(
    service: dict[str, Any], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start MLflow by the service's own words and wait for its own health check."""
    program, *words = [*service["entrypoint"], *service.get("command", [])]
    environment = _environment(service["environment"]) | {"HOME": str(folder)}
    with (folder / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", program, *words],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_healthy(process, service["healthcheck"]["test"], folder)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait_until_healthy(
    process: subprocess.Popen[bytes], test: list[str], folder: Path
) -> None:
    kind, program, *words = test
    assert (kind, program) == ("CMD", "python")
    deadline = time.monotonic() + 180
    while True:
        healthy = subprocess.run([sys.executable, *words], capture_output=True)
        if healthy.returncode == 0:
            return
        log = (folder / "mlflow.log").read_text()[-3000:]
        assert process.poll() is None, log
        assert time.monotonic() < deadline, log
        time.sleep(0.5)


def _environment(given: dict[str, str]) -> dict[str, str]:
    """Return the environment of a container: its own variables and hardly any else."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **given}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def running(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that starts the services."""
    return pytest.mark.slow(pytest.mark.postgres(test))


def client_of(services: Services) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=services.mlflow)


@running
def test_each_database_has_its_own_role_and_password(services):
    for name in ("hpo", "mlflow"):
        password = SECRETS[f"{name.upper()}_POSTGRES_PASSWORD"]
        query = "SELECT current_user, current_database()"
        assert services.rows(name, query, password=password) == [(name, name)]
        with pytest.raises(sa.exc.OperationalError, match="password"):
            services.rows(name, query, password="another")
    with pytest.raises(sa.exc.OperationalError, match="permission denied"):
        services.rows(
            "hpo",
            "SELECT 1",
            username="mlflow",
            password=SECRETS["MLFLOW_POSTGRES_PASSWORD"],
        )


@running
def test_the_health_check_of_postgres_passes_only_where_it_answers(services, compose):
    kind, *words = compose["services"]["postgres"]["healthcheck"]["test"]
    assert kind == "CMD"
    for port, answers in [(services.administrator.port, True), (_free_port(), False)]:
        done = subprocess.run([*words, f"--port={port}"], capture_output=True)
        assert (done.returncode == 0) is answers, done


@running
def test_mlflow_answers_under_its_own_names_only(services):
    assert services.get("/health") == (200, "OK")
    port = services.mlflow.rpartition(":")[2]
    for host in ("mlflow:5000", f"localhost:{port}", f"127.0.0.1:{port}"):
        assert services.get("/", Host=host)[0] == 200, host
    for host in ("example.org", "mlflow.example.org:5000", "10.0.0.1"):
        status, text = services.get("/", Host=host)
        assert status == 403, host
        assert "Invalid Host header" in text


@running
def test_mlflow_runs_no_jobs(services):
    family = psutil.Process(services.process.pid).children(recursive=True)
    words = [" ".join(process.cmdline()) for process in family]
    assert any("uvicorn" in word for word in words)
    assert not any("job" in word or "huey" in word for word in words)


@running
def test_a_run_that_is_sent_to_mlflow_is_read_back(services, tmp_path):
    client = client_of(services)
    experiment = client.create_experiment("by hand")
    run = client.create_run(experiment, run_name="first").info.run_id
    client.log_param(run, "units", 64)
    client.log_metric(run, "accuracy", 0.75, step=3)
    (tmp_path / "note.txt").write_text("kept\n")
    client.log_artifact(run, str(tmp_path / "note.txt"))
    client.set_terminated(run)

    found = client.get_run(run)
    assert found.data.params == {"units": "64"}
    assert found.data.metrics == {"accuracy": 0.75}
    assert found.info.status == "FINISHED"
    assert Path(client.download_artifacts(run, "note.txt")).read_text() == "kept\n"
    # In the database and the volume, not somewhere else.
    (row,) = services.rows(
        "mlflow",
        "SELECT name, status FROM runs WHERE name = 'first'",
        password=SECRETS["MLFLOW_POSTGRES_PASSWORD"],
    )
    assert row == ("first", "FINISHED")
    assert len([*(services.folder / "artifacts").rglob("note.txt")]) == 1


STUDY = """\
name: small
data:
  source: sklearn.iris
model: sklearn-mlp
space:
  units: [4, 8]
  epochs: 5
search:
  strategy: grid
evaluation:
  folds: 3
"""


@pytest.fixture(scope="module")
def study(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a small study with the environment of the service hpo; return its folder."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "small.yaml").write_text(STUDY)
    hpo(services, folder, "run", "small.yaml")
    return folder


def hpo(services: Services, folder: Path, *words: str) -> str:
    """Do a command as the service hpo would; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "hpo", *words],
        cwd=folder,
        env=_environment(services.hpo),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@running
def test_a_study_is_kept_in_the_database_of_hpo(services, study):
    (listed,) = json.loads(hpo(services, study, "list", "--format", "json"))
    assert (listed["name"], listed["state"]) == ("small", "complete")
    password = SECRETS["HPO_POSTGRES_PASSWORD"]
    counted = "SELECT (SELECT count(*) FROM trials), (SELECT count(*) FROM folds)"
    assert services.rows("hpo", counted, password=password) == [(2, 6)]
    assert [path.name for path in study.iterdir()] == ["small.yaml"]


@running
def test_a_study_is_shown_in_mlflow(services, study):
    # On a slow machine a run ends before everything is sent.
    hpo(services, study, "sync")
    trials = json.loads(hpo(services, study, "trials", "small", "--format", "json"))
    client = client_of(services)
    runs = client.search_runs([client.get_experiment_by_name("small").experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert parent.data.tags["hpo.study"] == "small"
    children = [run for run in runs if run is not parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {
        parent.info.run_id
    }
    sent = {
        int(run.data.tags["hpo.trial"]): run.data.metrics["mean_test_score"]
        for run in children
    }
    kept = {trial["number"]: trial["mean_test_score"] for trial in trials}
    assert sent == pytest.approx(kept)
    assert {run.info.status for run in runs} == {"FINISHED"}

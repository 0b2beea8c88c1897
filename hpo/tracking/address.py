"""Where MLflow is: the address that is meant, and how it is shown."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from hpo.errors import Problem, SpecError
from hpo.store import masked as masked_database
from hpo.store import why_no_driver

NONE = "none"
VARIABLE = "MLFLOW_TRACKING_URI"
DEFAULT = "sqlite:///mlflow.db"
SERVERS = ("http", "https")
CLOUDS = ("databricks", "uc:")
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


def resolve(given: str | None) -> str | None:
    """Return the address of MLflow, or None if nothing is to be sent.

    Args:
        given: What the user asks for: an address, ``none``, or None for MLflow's own
            default, which is the variable ``MLFLOW_TRACKING_URI`` or the database
            ``mlflow.db`` in the working folder.

    Raises:
        SpecError: It is no address that MLflow still writes to.
    """
    wanted = given or os.environ.get(VARIABLE) or DEFAULT
    if wanted == NONE:
        return None
    if what := _why_no_address(wanted):
        hint = f"mend it, or the variable {VARIABLE}"
        raise SpecError([Problem("--tracking", f"{what}; {hint}")])
    return absolute(wanted)


def _why_no_address(given: str) -> str:
    """Say why nothing can ever be sent to an address; an empty text if it might."""
    if given.startswith(CLOUDS):
        return ""
    kind = given.partition("://")[0].partition("+")[0]
    like = f"expected an address like {DEFAULT} or http://127.0.0.1:5000, or none"
    if "://" not in given or kind == "file":
        return f"MLflow no longer writes to folders; {like}; got {masked(given)}"
    try:
        parts = urlsplit(given)
        parts.port  # noqa: B018  (reading it is what checks it)
    except ValueError:
        # Not shown: what cannot be read may be a password.
        how = "in a password / is written %2F, # %23 and @ %40"
        return f"{like}; this one cannot be read ({how})"
    if kind in SERVERS:
        return "" if parts.hostname else f"{like}; got {masked(given)}"
    if kind not in PORTS and kind != "sqlite":
        return f"{like}; got {masked(given)}"
    folder = Path(absolute(given).removeprefix("sqlite:///")).parent
    if kind == "sqlite" and not folder.is_dir():
        return f"there is no folder {folder}; make it first"
    return why_no_driver(given)


def absolute(url: str) -> str:
    """Return the address of an SQLite file so that it means the same everywhere."""
    before, found, path = url.partition("sqlite:///")
    if not found or before or not path or Path(path).is_absolute():
        return url
    return f"sqlite:///{Path(path).absolute()}"


def in_memory(store_url: str) -> bool:
    """Tell whether a store lives in this process alone, where no sender can read it."""
    before, _, path = store_url.partition("://")
    return before.startswith("sqlite") and path.partition("?")[0] in (
        "",
        "/",
        "/:memory:",
    )


def refuse_shared(uri: str, store_url: str) -> None:
    """Raise `SpecError` if MLflow would write into the store's own database."""
    if _place(absolute(uri)) == _place(absolute(store_url)):
        what = (
            f"{masked(uri)} is the store itself; give MLflow a database of its own, "
            f"here or with the variable {VARIABLE}"
        )
        raise SpecError([Problem("--tracking", what)])


def _place(url: str) -> tuple[str, ...]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return (url,)  # the store says itself what is wrong with its address
    kind = parts.scheme.partition("+")[0]
    if kind == "sqlite":
        return kind, str(Path(parts.path.removeprefix("/")).resolve())
    port = port or PORTS.get(kind)
    return kind, parts.hostname or "", str(port or ""), parts.path


def masked(uri: str) -> str:
    """Return an address without passwords."""
    if uri.startswith(("http://", "https://")):
        try:
            parts = urlsplit(uri)
        except ValueError:
            return "(not an address)"
        host = parts.netloc.rpartition("@")[2]
        shown = f"***@{host}" if "@" in parts.netloc else host
        return parts._replace(netloc=shown, query="", fragment="").geturl()
    return masked_database(uri) if "://" in uri else uri


def page(base: str, experiment_id: str) -> str:
    """Return the address of an experiment's page below that of the user interface."""
    return f"{base.rstrip('/')}/#/experiments/{experiment_id}"

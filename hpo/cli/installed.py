"""What `hpo doctor` looks at of the installation: Python, packages and MLflow.

Versions are read from metadata; nothing heavy is imported, and nothing is changed.
"""

from __future__ import annotations

import os
import re
import sys
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Literal

from hpo.tracking.address import masked

State = Literal["ok", "look", "broken"]

MLFLOW_SECONDS = 2
KEY_PACKAGES = ("numpy", "scikit-learn", "tensorflow", "keras", "optuna", "sqlalchemy")


@dataclass(frozen=True)
class Check:
    """One line of the examination.

    Args:
        check: What was looked at.
        state: ``look`` is for what works, but not as well as it could.
        found: What there is.
        advice: What to do; empty if nothing is to be done.
    """

    check: str
    state: State
    found: str
    advice: str = ""

    def row(self) -> dict[str, str]:
        """Return it as a plain row."""
        return asdict(self)


def python() -> Check:
    """Look at the Python that runs this."""
    found = f"{sys.version.split()[0]} ({sys.platform}, {sys.prefix})"
    wanted = str(metadata.metadata("hpo")["Requires-Python"] or "")
    least = _numbers(wanted.lstrip(">= "))
    if least and sys.version_info[: len(least)] < least:
        return Check("python", "broken", found, f"install Python {wanted}")
    return Check("python", "ok", found)


def packages() -> list[Check]:
    """Look at the installed packages that hpo needs, by their metadata alone."""
    wrong, right = [], 0
    for name, least in _required():
        version = _version(name)
        if version is None:
            wrong.append((name, f"{name} is missing", f"'{name}>={least}'"))
        elif _numbers(version) < _numbers(least):
            old = f"{name} {version} is older than {least}"
            wrong.append((name, old, f"'{name}>={least}'"))
        else:
            right += 1
    shown = [f"{n} {_version(n)}" for n in KEY_PACKAGES if _version(n)]
    made = [
        Check("hpo", "ok", f"{metadata.version('hpo')}"),
        Check("packages", "ok", f"{right} as needed: {', '.join(shown)}"),
    ]
    for name, what, how in wrong:
        made.append(Check(name, "broken", what, f"pip install {how}"))
    return made


def jax() -> Check:
    """Look at JAX, which Keras computes with if a study says so."""
    version, least = _version("jax"), dict(_required("jax")).get("jax", "")
    get = "pip install 'hpo[jax]'"
    if version is None:
        return Check("jax", "ok", f"not installed; for engine.backend jax: {get}")
    if _numbers(version) < _numbers(least):
        return Check("jax", "look", f"{version} is older than {least}", get)
    return Check("jax", "ok", f"{version}, for studies with engine.backend jax")


def _required(extra: str = "") -> list[tuple[str, str]]:
    """Return each package that hpo needs, or an extra adds, with its lowest version."""
    found = []
    for line in metadata.requires("hpo") or ():
        need, _, marker = line.partition(";")
        match = re.match(r"([\w.-]+)(\[[^]]*\])?\s*>=\s*([\w.]+)", need.strip())
        of_extra = f'extra == "{extra}"' in marker
        if match and (of_extra if extra else "extra" not in marker):
            found.append((match[1], match[3]))
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: ``2.1.0rc1`` is (2, 1, 0)."""
    found = []
    for part in version.split("."):
        digits = re.match(r"\d+", part)
        if digits is None:
            break
        found.append(int(digits[0]))
    return tuple(found)


def mlflow() -> Check:
    """Look at MLflow, where studies are sent; they run without it too."""
    version = _version("mlflow") or _version("mlflow-skinny")
    if version is None:
        return Check("mlflow", "ok", "not installed; studies run without it")
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri == "none":
        said = "studies are not sent (MLFLOW_TRACKING_URI is none)"
        return Check("mlflow", "ok", f"{version}; {said}")
    if not uri:
        said = "studies are sent to mlflow.db in the current folder"
        return Check("mlflow", "ok", f"{version}; {said}")
    found = f"{version}; studies are sent to {masked(uri)}"
    known = "://" in uri or uri.startswith(("databricks", "uc:"))
    if not known or uri.startswith("file:"):
        advice = "MLflow writes to folders no more: give MLFLOW_TRACKING_URI a database"
        return Check("mlflow", "look", f"{version}; {uri} is a folder", advice)
    if not uri.startswith(("http://", "https://")):
        return Check("mlflow", "ok", found)
    why = _why_unreachable(uri)
    if why:
        advice = "start the server or mend MLFLOW_TRACKING_URI; studies run without it"
        return Check("mlflow", "look", f"{found}, which {why}", advice)
    return Check("mlflow", "ok", f"{found}, which answers")


def _why_unreachable(uri: str) -> str:
    try:
        address = uri.rstrip("/") + "/health"
        with urllib.request.urlopen(address, timeout=MLFLOW_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        return "" if error.code in (401, 403) else f"answers {error.code}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return f"does not answer ({str(reason)[:100]})"

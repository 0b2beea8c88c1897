"""Modules import only from rows below their own, and importing them is cheap."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import hpo

PACKAGE = Path(hpo.__file__).parent

# Lowest first; modules on one row do not import each other. Row 1 of the design is two
# rows here: space and metrics use the types of records.
LAYERS = [
    {"errors"},
    {"records", "quiet", "garbage", "crash_points", "whole_files"},
    {"space", "metrics", "seeds", "user_code"},
    {"data", "models", "search", "engines", "store"},
    {"spec", "evaluation"},
    {"study", "analysis"},
    {"report", "export"},
    {"tracking"},
    {"worker"},
    {"api", "cli"},
]
LEVEL = {module: level for level, modules in enumerate(LAYERS) for module in modules}

# Where a heavy library may be imported, at the top or inside a function.
HOMES = {
    "tensorflow": {"models"},
    "keras": {"models"},
    "jax": {"models"},
    "keras_tuner": {"models", "space/from_keras_tuner.py"},
    "optuna": {"search", "api/study.py", "space/from_optuna.py"},
    "pyarrow": {"data"},
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "psycopg": {"store"},
    "pebble": {"engines"},
    "dask": {"engines/dask.py"},
    "distributed": {"engines/dask.py"},
    "mlflow": {"tracking"},
    "plotly": {"report"},
    "cloudpickle": {"api"},
    "typer": {"cli"},
    "rich": {"cli", "report"},
    "ruamel": {"spec"},
    "pydantic": {"spec"},
    "pydantic_core": {"spec"},
}


def source_files():
    """Every module of the package but migrations, which Alembic runs by path."""
    return [
        file
        for file in sorted(PACKAGE.rglob("*.py"))
        if "migrations" not in file.relative_to(PACKAGE).parts
    ]


def dotted(file):
    """The module's full name: ``hpo.search.grid``, or ``hpo.search`` for its init."""
    parts = ("hpo", *file.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(file): file for file in source_files()}


def imported_names(file):
    """Dotted names that a file imports, wherever it does so."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_files(file):
    """Names of the modules of this package that a file imports."""
    found = set()
    for name in imported_names(file):
        while name and name not in MODULES:
            name = name.rpartition(".")[0]
        if name and name != "hpo":
            found.add(name)
    return found


def row_of(module):
    return module.split(".")[1]


def test_every_module_has_a_row():
    modules = {row_of(name) for name in MODULES if name != "hpo"} - {"__main__"}
    assert modules - set(LEVEL) == set()


def test_imports_point_downwards():
    upward = []
    for module, file in MODULES.items():
        if module in ("hpo", "hpo.__main__"):
            continue
        for target in sorted(imported_files(file)):
            same = row_of(target) == row_of(module)
            if not same and LEVEL[row_of(target)] >= LEVEL[row_of(module)]:
                upward.append(f"{module} imports {target}")
    assert upward == []


def test_no_two_modules_import_each_other_even_in_a_roundabout_way():
    graph = {module: imported_files(file) for module, file in MODULES.items()}
    # Take away what imports nothing that is left; what cannot be taken is a circle.
    left = dict(graph)
    while free := [m for m, targets in left.items() if not targets & set(left) - {m}]:
        for module in free:
            del left[module]
    assert left == {}


def test_imports_are_absolute():
    relative = [
        f"{dotted(file)}:{node.lineno}"
        for file in source_files()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


@pytest.mark.parametrize("library", HOMES)
def test_a_heavy_library_has_one_home(library):
    strangers = [
        dotted(file)
        for file in source_files()
        if library in {name.split(".")[0] for name in imported_names(file)}
        and file.relative_to(PACKAGE).parts[0].removesuffix(".py") not in HOMES[library]
        and file.relative_to(PACKAGE).as_posix() not in HOMES[library]
    ]
    assert strangers == []


def test_every_module_opens_with_what_it_owns():
    silent = [
        dotted(file)
        for file in source_files()
        if not ast.get_docstring(ast.parse(file.read_text()))
    ]
    assert silent == []


# --- what an import costs -----------------------------------------------------------

ALWAYS_HEAVY = ("numpy", "scipy", "sklearn", "pandas", "tensorflow", "keras", "optuna")
SERVICE_HEAVY = ("sqlalchemy", "alembic", "mlflow", "pydantic", "dask", "matplotlib")


def imported_by(*command):
    """Top-level packages that a fresh interpreter imports, from ``-X importtime``."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = re.findall(r"^import time:[^|]*\|[^|]*\| *(\S+)$", done.stderr, re.M)
    assert "hpo" in lines
    return {name.split(".")[0] for name in lines}


def test_importing_hpo_imports_no_heavy_library():
    heavy = {*ALWAYS_HEAVY, *SERVICE_HEAVY, "rich", "typer", "ruamel", "pebble"}
    assert imported_by("-c", "import hpo") & heavy == set()


def test_the_help_of_the_command_imports_no_heavy_library():
    assert imported_by("-m", "hpo", "--help") & {*ALWAYS_HEAVY, *SERVICE_HEAVY} == set()


# --- the public surface -------------------------------------------------------------


def test_the_public_names_are_sorted_and_every_one_resolves():
    assert hpo.__all__ == sorted(hpo.__all__)
    assert len(set(hpo.__all__)) == len(hpo.__all__)
    for name in hpo.__all__:
        assert getattr(hpo, name) is not None


def test_a_public_name_is_the_object_at_its_home():
    for name, home in hpo._HOMES.items():
        assert getattr(hpo, name) is getattr(import_module(home), name)


def test_editors_are_shown_the_names_that_are_resolved_lazily():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    guarded = [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.If)
        for statement in node.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    ]
    assert sorted(guarded) == sorted(hpo._HOMES)
    assert {*guarded, "__version__"} == set(hpo.__all__)


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(
        AttributeError, match="module 'hpo' has no attribute 'optimise'"
    ):
        _ = hpo.optimise

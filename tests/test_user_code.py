"""A study file may name only functions beside it, or of packages that are allowed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hpo.errors import SpecError
from hpo.user_code import Home, find, last_line_in, why_malformed, why_not_found


@pytest.fixture
def beside(tmp_path):
    """Write a module of the user's and return the home; imports are undone after."""
    path, modules = list(sys.path), set(sys.modules)

    def write(content="def build(): return 7\n", file="own_net.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(textwrap.dedent(content))
        return Home(tmp_path)

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def refusal(name, home):
    with pytest.raises(SpecError, match=r"^model: ") as raised:
        find(name, home, where="model")
    assert raised.value.problems[0].where == "model"
    return raised.value.problems[0].what


# --- what is found ------------------------------------------------------------------


def test_a_function_beside_the_study_file_is_found(beside):
    assert find("own_net:build", beside(), where="model")() == 7


@pytest.mark.parametrize("file", ["own_nets/deep.py", "own_nets/deep/__init__.py"])
@pytest.mark.parametrize("parent_is_package", [True, False])
def test_a_function_in_a_folder_beside_is_found(beside, file, parent_is_package):
    home = beside(file=file)
    if parent_is_package:
        beside("", "own_nets/__init__.py")
    assert find("own_nets.deep:build", home, where="model")() == 7


def test_a_module_may_use_its_neighbours(beside):
    beside("SIZE = 3\n", "own_sizes.py")
    home = beside("import own_sizes\ndef build(): return own_sizes.SIZE\n")
    assert find("own_net:build", home, where="model")() == 3


def test_a_function_that_a_neighbour_defines_is_found(beside):
    beside("def build(): return 9\n", "own_parts.py")
    home = beside("from own_parts import build\n")
    assert find("own_net:build", home, where="model")() == 9


@pytest.mark.parametrize(
    "definition",
    [
        "class build: pass",
        "class Builder:\n    def __call__(self): pass\nbuild = Builder()",
        "from functools import partial\ndef f(n): pass\nbuild = partial(f, 1)",
        "from functools import cache\n@cache\ndef build(): pass",
        "build = lambda: 0",
    ],
)
def test_anything_beside_that_can_be_called_is_a_function(beside, definition):
    assert callable(find("own_net:build", beside(definition), where="model"))


def test_a_package_that_is_allowed_is_used(beside):
    home = Home(beside().folder, ("json",))
    assert find("json:loads", home, where="model")("[1]") == [1]
    assert find("json.decoder:JSONDecoder", home, where="model").__module__


def test_an_allowed_package_is_not_looked_for_beside(beside):
    home = Home(beside(file="json.py").folder, ("json",))
    assert find("json:loads", home, where="model")("[1]") == [1]


def test_a_folder_and_a_file_may_be_links(beside, tmp_path):
    beside(file="real/own_net.py")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "own_alias.py").symlink_to(tmp_path / "real" / "own_net.py")
    sys.path.insert(0, str(tmp_path / "real"))
    for name in ("own_net:build", "own_alias:build"):
        assert find(name, Home(tmp_path / "link"), where="model")() == 7


def test_a_relative_folder_is_taken_from_where_the_command_runs(
    beside, tmp_path, monkeypatch
):
    beside(file="studies/own_net.py")
    monkeypatch.chdir(tmp_path)
    assert find("own_net:build", Home(Path("studies")), where="model")() == 7


# --- what is refused ----------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        "net",
        ":",
        "net:",
        ":build",
        "net:a.b",
        "net:build()",
        "net:build:more",
        "../net:build",
        "..net:build",
        "/tmp/net:build",
        "net.py:build-it",
        "a/b:build",
        "C:\\net:build",
        "net :build",
        "net:build\n",
        "n\0t:build",
        "1net:build",
        "a..b:build",
        "x" * 100_000,
        "x." * 50_000,
    ],
)
def test_what_is_no_name_of_a_function_is_refused(beside, name):
    home = beside()
    problem = refusal(name, home)
    assert problem == why_malformed(name) == why_not_found(name, home)
    assert problem.startswith("expected module:function, such as network:build; got ")
    assert len(problem) < 300


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("os:system", "os"),
        ("os.path:join", "os"),
        ("subprocess:run", "subprocess"),
        ("json:loads", "json"),
        ("builtins:eval", "builtins"),
        ("numpy:load", "numpy"),
        ("hpo.data:load", "hpo"),
        ("__main__:main", "__main__"),
    ],
)
def test_a_module_from_elsewhere_is_refused_unless_it_is_allowed(beside, name, package):
    home = beside()
    problem = refusal(name, home)
    assert problem.startswith("there is no ")
    assert problem.endswith(
        f".py beside the study file; to use an installed package, allow it: "
        f"--allow-module {package}"
    )


def test_allowing_a_package_does_not_allow_its_namesakes():
    home = Home(allowed=("jso", "os.path"))
    assert "--allow-module json" in why_not_found("json:loads", home)
    assert "--allow-module os" in why_not_found("os:system", home)
    assert why_not_found("os.path:join", home) is None


@pytest.mark.parametrize(
    ("content", "name", "origin"),
    [
        ("from subprocess import run", "run", "subprocess"),
        ("from os import system", "system", "posix"),
        ("build = eval", "build", "builtins"),
        ("import numpy\nbuild = numpy.load", "build", "numpy"),
        ("from pathlib import Path", "Path", "pathlib"),
        (
            "import functools, os\nbuild = functools.partial(os.system, 'ls')",
            "build",
            "posix",
        ),
    ],
)
def test_what_a_module_beside_only_imports_is_refused(beside, content, name, origin):
    problem = refusal(f"own_net:{name}", beside(content))
    assert problem.startswith(f"own_net:{name} is defined in {origin}; expected a fun")


def test_a_module_that_is_not_there_is_refused_with_a_near_match(beside):
    problem = refusal("own_nets:build", beside())
    assert "no own_nets.py beside the study file; did you mean 'own_net'?" in problem


def test_a_function_that_is_not_there_is_refused_with_a_near_match(beside):
    problem = refusal("own_net:biuld", beside())
    assert problem == "own_net has no function 'biuld'; did you mean 'build'?"


@pytest.mark.parametrize("content", ["build = 3", "import os as build"])
def test_what_cannot_be_called_is_refused(beside, content):
    problem = refusal("own_net:build", beside(content))
    assert problem.startswith("expected a function; own_net:build is ")


@pytest.mark.parametrize("name", ["json", "queue", "this", "os"])
def test_a_file_that_would_stand_in_for_a_module_of_python_is_refused(beside, name):
    home = beside(file=f"{name}.py")
    before = set(sys.modules)
    problem = refusal(f"{name}:build", home)
    assert f"{name}.py has the name of a module of Python's own" in problem
    assert set(sys.modules) == before


@pytest.mark.parametrize("name", ["hpo", "pytest"])
def test_a_file_with_the_name_of_a_module_in_use_is_refused(beside, name):
    problem = refusal(f"{name}:build", beside(file=f"{name}.py"))
    assert f"{name}.py has the name of another module, which Python takes" in problem
    assert problem.endswith("; rename it")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import sys\nsys.exit(3)", "own_net cannot be imported: it exits when it is"),
        ("x = 1\nraise ValueError('no')", "imported: own_net.py:2: ValueError: no"),
        ("def build(:", "cannot be imported: own_net.py:1: SyntaxError: invalid synt"),
        ("import own_missing", "own_net.py:1: ModuleNotFoundError: No module named"),
        ("import json\n\njson.loads('{')", "own_net.py:3: JSONDecodeError: Expecting"),
        ("raise AssertionError", "imported: own_net.py:1: AssertionError"),
    ],
)
def test_a_module_that_fails_when_it_is_imported_is_refused(beside, content, message):
    assert message in refusal("own_net:build", beside(content))


def test_a_name_that_is_too_long_for_a_file_is_refused(beside):
    problem = refusal("x" * 5000 + ":build", beside())
    assert problem.startswith("there is no xxx")
    assert len(problem) < 400


def test_a_folder_that_is_not_there_has_no_modules(tmp_path):
    home = Home(tmp_path / "gone")
    assert "there is no net.py beside" in why_not_found("net:build", home)


# --- what is not done ---------------------------------------------------------------


def test_nothing_is_imported_to_say_whether_a_module_may_be_used(beside, tmp_path):
    home = beside("open('imported', 'w').close()\n")
    package = beside("open('imported', 'w').close()\n", "own_nets/__init__.py")
    beside(file="own_nets/deep.py")
    assert why_not_found("own_net:build", home) is None
    assert why_not_found("own_nets.deep:build", package) is None
    assert not [name for name in sys.modules if name.startswith("own_")]
    assert str(tmp_path) not in sys.path


def test_the_folder_can_be_imported_from_only_once_a_module_is(beside, tmp_path):
    home = beside()
    refusal("own_nets:build", home)
    assert find("json:loads", Home(tmp_path, ("json",)), where="model")
    assert str(tmp_path) not in sys.path
    find("own_net:build", home, where="model")
    find("own_net:build", home, where="model")
    assert sys.path.count(str(tmp_path)) == 1


def test_importing_this_module_imports_no_heavy_library():
    code = "import sys, hpo.user_code; print({'numpy', 'pandas'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


# --- the line that failed -----------------------------------------------------------


def caught(function):
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("it did not raise")


def test_an_error_is_worded_with_the_last_line_of_the_users_code(beside):
    home = beside(
        """\
        import json

        def build():
            inner()

        def inner():
            json.loads("{")
        """
    )
    error = caught(find("own_net:build", home, where="model"))
    said = last_line_in(error, home.folder)
    assert said.startswith("own_net.py:7: JSONDecodeError: Expecting property name")


def test_a_library_installed_below_the_folder_is_not_the_users_code(beside, tmp_path):
    home = beside("import own_library\ndef build():\n    own_library.fail()\n")
    library = ".venv/lib/site-packages"
    beside("def fail():\n    raise KeyError('x')\n", f"{library}/own_library.py")
    sys.path.append(str(tmp_path / library))
    error = caught(find("own_net:build", home, where="model"))
    assert last_line_in(error, home.folder) == "own_net.py:3: KeyError: 'x'"


def test_an_error_elsewhere_is_worded_without_a_line(tmp_path, monkeypatch):
    # A relative name such as <string> is no file of the folder one is in.
    monkeypatch.chdir(tmp_path)
    error = caught(lambda: exec("1 / 0"))
    assert last_line_in(error, tmp_path) == "ZeroDivisionError: division by zero"
    assert last_line_in(caught(lambda: [][0]), Path()).startswith("IndexError: list")

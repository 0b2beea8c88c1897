"""Any text gets a study or a clear error: soon, in little memory, never a traceback."""

from __future__ import annotations

import json
import math
import re
import resource
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpo.errors import Problem, SpecError
from hpo.spec import StudySpec, differences, parse_study, read_study

MAX_SECONDS = 1.0
"""Of processor time, which other work on the machine does not stretch much."""
MAX_KILOBYTES = 200_000

HEAD = "name: a\ndata: {source: sklearn.iris}\nmodel: any\n"
GRID = HEAD + "search: {strategy: grid}\n"
STUDY = """\
name: small
task: regression
data:
  source: {sklearn.moons: {noise: 0.2, n_samples: 100}}
  target: [y, z]
  drop: [a, b]
  group: station
  test_size: 0.2
model: any
space:
  hidden_layers: {int: [0, 3]}
  units: {int: [8, 64], log: true, points: 3, repeat: hidden_layers}
  activation: &names [relu, tanh]
  optimizer: *names
  momentum: {float: [0, 0.9], step: 0.3, when: {optimizer: relu}}
  learning_rate: {float: [1e-4, 1e-1], log: true, points: 4}
  epochs: 50
search: {strategy: grid, trials: 40, timeout: 1h30m, seed: 3}
evaluation: {folds: 4, repeats: 2, split: group, metrics: [r2]}
engine: {jobs: 2}
"""

few = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class AnyFamily:
    """Takes every hyperparameter."""

    name = "any"

    def problems(self, space, task, n_outputs=None):
        return []


def find_family(name):
    if name != "any":
        raise SpecError([Problem("model", f"no family {name[:20]!r}")])
    return AnyFamily()


def parse(document):
    return parse_study(document, folder=Path("/here"), find_family=find_family)


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read a text or bytes as a study file; return the study or the mistakes."""
    monkeypatch.chdir(tmp_path)
    file = Path("x.yaml")

    def read(text):
        file.write_bytes(text if isinstance(text, bytes) else encoded(text))
        try:
            return read_study(file, find_family=find_family)
        except SpecError as error:
            problems = error.problems
        assert problems
        for problem in problems:
            assert problem.what
            assert problem.where.startswith("x.yaml")
            assert str(problem).replace("\n", "").replace("\t", "").isprintable()
        return "\n".join(map(str, problems)).split("\n")

    return read


def encoded(text):
    return text.encode("utf-8", "surrogatepass")


@few
@given(text=st.text(max_size=300))
def test_any_text_is_a_study_or_refused(read, text):
    read(text)


@few
@given(content=st.binary(max_size=300))
def test_any_bytes_are_a_study_or_refused(read, content):
    read(content)


@few
@given(text=st.text(alphabet="ab0:{}[]-?&*!|>'\"%@`#,.~<= \n\t\\", max_size=120))
def test_any_text_of_yaml_s_own_signs_is_a_study_or_refused(read, text):
    read(text)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["units", "optimizer", "keras-mlp", "net:build", "1h", "group"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=10) | scalars, inner, max_size=4),
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("float", "int", "choices", "value"), inner)
        ),
        st.fixed_dictionaries(
            {"float": st.lists(st.floats(), min_size=2, max_size=2)},
            optional={
                "log": inner,
                "step": st.floats(),
                "points": st.integers(-1, 9),
                "when": st.dictionaries(st.sampled_from(["units", "b"]), inner),
                "repeat": st.sampled_from(["units", "optimizer"]),
            },
        ),
    ),
    max_leaves=8,
)
KEYS = {
    "name": None,
    "task": None,
    "model": None,
    "select": None,
    "data": "source target features drop group order test_size",
    "space": "units optimizer dropout hidden_layers",
    "search": "strategy trials timeout patience seed width",
    "evaluation": "folds repeats split metric metrics fold_timeout racing",
    "engine": "kind jobs threads backend",
}
PLACES = [
    (section, key) for section, keys in KEYS.items() for key in (keys or "?").split()
]


@few
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), values), max_size=4))
def test_a_study_with_any_values_is_a_study_or_refused(changes):
    document = {
        "name": "small",
        "data": {"source": "sklearn.iris"},
        "model": "any",
        "space": {"units": [8, 16]},
    }
    for (section, key), value in changes:
        if key == "?":
            document[section] = value
        else:
            inner = document.get(section)
            inner = inner if isinstance(inner, dict) else {}
            document[section] = {**inner, key: value}
    try:
        spec = parse(document)
    except SpecError:
        return
    again = json.loads(json.dumps(spec.to_document()))
    assert parse(again) == spec
    assert parse(again).to_document() == spec.to_document()
    assert differences(spec.to_document(), again) == []


LINES = STUDY.split("\n")
mutation = st.one_of(
    st.tuples(st.just("delete"), st.integers(0, 19), st.just("")),
    st.tuples(st.just("repeat"), st.integers(0, 19), st.just("")),
    st.tuples(st.just("swap"), st.integers(0, 19), st.integers(0, 19)),
    st.tuples(st.just("set"), st.integers(0, 19), st.text(max_size=10) | scalars),
    st.tuples(st.just("cut"), st.integers(0, 19), st.integers(0, 60)),
)


@few
@given(mutations=st.lists(mutation, min_size=1, max_size=4))
def test_a_study_with_mutated_lines_is_a_study_or_refused(read, mutations):
    lines = list(LINES)
    for what, place, how in mutations:
        place %= len(lines)
        if what == "delete" and len(lines) > 1:
            del lines[place]
        elif what == "repeat":
            lines.insert(place, lines[place])
        elif what == "swap":
            other = how % len(lines)
            lines[place], lines[other] = lines[other], lines[place]
        elif what == "set":
            lines[place] = f"{lines[place].partition(':')[0]}: {how}"
        elif what == "cut":
            lines[place] = lines[place][:how]
    read("\n".join(lines))


def test_the_study_that_is_mutated_is_sound_and_canonical(read):
    spec = read(STUDY)
    assert isinstance(spec, StudySpec)
    assert parse(spec.to_document()).to_document() == spec.to_document()


CHANGED = {
    "name": "other",
    "task": None,
    "data.source": "a.csv",
    "data.target": ["y", "x"],
    "data.features": ["x"],
    "data.drop": ["a"],
    "data.group": "other",
    "data.test_size": 0.3,
    "space.hidden_layers": {"int": [0, 4]},
    "space.activation": ["relu"],
    "space.optimizer": ["relu", "tanh", "x"],
    "space.momentum": {"float": [0, 0.9], "step": 0.3},
    "space.learning_rate": {"float": [1e-4, 1e-1], "log": True},
    "space.epochs": True,
    "search.strategy": "random",
    "search.trials": 41,
    "search.timeout": 7,
    "search.patience": 5,
    "search.seed": 4,
    "search.width": 5,
    "search.max_failures": 11,
    "search.defaults_first": False,
    "evaluation.folds": 5,
    "evaluation.repeats": 3,
    "evaluation.split": None,
    "evaluation.metric": "r2",
    "evaluation.metrics": ["r2", "neg_max_error"],
    "evaluation.fold_timeout": 5,
    "engine.jobs": 3,
    "engine.threads": 2,
}


@pytest.mark.parametrize("path", CHANGED)
def test_a_changed_key_is_the_one_difference(read, path):
    old = read(STUDY).to_document()
    new = json.loads(json.dumps(old))
    section, _, key = path.rpartition(".")
    (new[section] if section else new)[key] = CHANGED[path]
    # Neither document need be sound here, only compared.
    found = differences(old, new)
    assert found
    assert all(where == path or where.startswith(f"{path}.") for where, _, _ in found)
    assert differences(new, new) == []


def bomb(opening, closing):
    lines = [f"a: &a {opening}x, x, x, x, x, x, x, x, x{closing}"]
    for before, key in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{key}: &{key} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines) + "\n"


def space_of(lines, head=HEAD):
    return head + "space:\n" + "".join(f"  {line}\n" for line in lines)


def many(text, n, between=", "):
    return between.join(text.format(n=n) for n in range(n))


UP_TO_300 = "space: expected at most 300 hyperparameters; got "
LEVELS = "expected at most 20 levels of nesting; got more"
VALUES = "expected at most 5000 values"
SIZE = "x.yaml: expected a study file of at most 200 kB; got more"
NO_YAML = "not valid YAML: "
KEY = "expected a key of 1 to 200 characters, none a control character; got "
RANGE = "an escape or a version from here on is out of range"
TAGS = "are not allowed; write a plain value"

HOSTILE = {
    "10 MB": ("a: 1\n" * 2_000_000, SIZE),
    "200 kB of lines": ("a\n" * 99_999, "x.yaml:1: expected keys such as name, data"),
    "200 kB of empty lines": ("\n" * 199_999, "x.yaml: the file is empty"),
    "an open quote": ("a: '" + "x\n" * 99_000, f"x.yaml:99001: {NO_YAML}a quote is n"),
    "a text of 200 kB": (
        f"{HEAD}task: '{'x' * 190_000}'\n",
        "x.yaml:4: task: expected",
    ),
    "a million choices": (f"{HEAD}space: {{u: [{'1,' * 10**6}]}}", SIZE),
    "5000 choices": (
        f"{HEAD}space: {{u: [{many('{n}', 5000)}]}}",
        f"x.yaml:4: {VALUES}; got more",
    ),
    "100,000 hyperparameters": (space_of(f"h{n}: 1" for n in range(100_000)), SIZE),
    "2000 hyperparameters": (
        space_of(f"h{n}: 1" for n in range(2000)),
        f"x.yaml:4: {UP_TO_300}2000",
    ),
    "many repeats": (
        space_of(
            [
                "l: {int: [0, 64]}",
                *(f"u{n}: {{value: 1, repeat: l}}" for n in range(280)),
            ]
        ),
        f"x.yaml:4: {UP_TO_300}{1 + 280 * 64}",
    ),
    "a huge repeat": (
        space_of(["l: {int: [0, 1e9]}", "u: {value: 1, repeat: l}"]),
        "x.yaml:6: space.u.repeat: expected 'l' to be whole numbers from 0 to 64",
    ),
    "a circle of 300": (
        space_of(
            f"h{n}: {{value: 1, when: {{h{(n + 1) % 300}: 1}}}}" for n in range(300)
        ),
        "x.yaml:5: space.h0.when: these depend on each other in a circle: h0, h1, h2",
    ),
    "1e12 steps": (
        f"{GRID}space: {{u: {{float: [0, 1], step: 1e-12}}}}",
        "x.yaml:5: space.u.step: makes over a million values; got 1e-12",
    ),
    "a step of no size": (
        f"{GRID}space: {{u: {{float: [1e17, 100000000000000100.0], step: 0.1}}}}",
        "x.yaml:5: space.u.step: is too small to tell numbers of this size apart",
    ),
    "a range without a width": (
        f"{HEAD}space: {{u: {{float: [-1.7e308, 1.7e308]}}}}",
        "x.yaml:4: space.u: expected numbers up to 1e+300; got -1.7e+308 and 1.7e+308",
    ),
    "points of many ranges": (
        space_of((f"h{n}: {{float: [0, 1], points: 9999}}" for n in range(300)), GRID),
        "x.yaml:16: space.h10.points: a grid takes at most 100000 points, of all",
    ),
    "entangled conditions": (
        space_of(
            [
                *(f"a{n}: 1" for n in range(130)),
                *(f"b{n}: [true, false]" for n in range(20)),
                *(
                    f"c{n}: {{value: 1, when: {{a{n}: 1, b{n % 20}: true}}}}"
                    for n in reversed(range(130))
                ),
            ],
            GRID,
        ),
        "its conditions depend on too many combinations to count them",
    ),
    "conditions on what is not there": (
        space_of(
            f"{'n' * 80}{n}: {{value: 1, when: {{{many('m' * 80 + '{n}: 1', 6)}}}}}"
            for n in range(150)
        ),
        "no hyperparameter has this name",
    ),
    "values that are not there": (
        space_of(
            [
                f"p: [{many('abcdefghij{n}', 290)}]",
                f"c: {{value: 1, when: {{p: [{many('abcdefghik{n}', 4400)}]}}}}",
            ]
        ),
        "x.yaml:6: space.c.when.p: expected a value of it (abcdefghij0, abcdefghij1",
    ),
    "values that are not among long ones": (
        space_of(
            [
                f"p: [{', '.join(str(n) + 'x' * 4000 for n in range(8))}]",
                f"c: {{value: 1, when: {{p: [{many('q{n}', 4400)}]}}}}",
            ]
        ),
        "x.yaml:6: space.c.when.p: expected a value of it ('0xxxx",
    ),
    "an alias bomb": (bomb("[", "]"), f"{VALUES}, aliases written out; got more"),
    "an alias bomb as a key": (bomb("[", "]") + "? *i\n: 1\n", VALUES),
    "an alias bomb as a list": (
        re.sub(r"(?m)^\w: ", "- ", bomb("[", "]")),
        "x.yaml:1: expected keys such as name",
    ),
    "an alias in itself": (
        HEAD + "space: &a {u: *a}",
        "x.yaml:4: space.u: no anchor &a is complete before this alias",
    ),
    "4000 aliases of nothing": (
        f"a: [{many('&abcdefg{n} 1', 290)}]\nb: [{many('*abcdegh{n}', 4500)}]\n",
        "no anchor &abcdegh0 is complete before this alias",
    ),
    "a merge key": (HEAD + "<<: {a: 1}", "x.yaml:4: <<: merge keys (<<) are not part"),
    "a tag": (
        HEAD + "space: !!python/object/apply:os.system [x]",
        f"x.yaml:4: space: tags such as !!python/object/apply:os.system {TAGS}",
    ),
    "a tag of 200 kB": ("!" + "a" * 199_000, f"x.yaml:1: tags such as !... {TAGS}"),
    "an anchor of 200 kB": (
        "&" + "a" * 199_000,
        "x.yaml:1: expected keys such as name",
    ),
    "a directive": ("%YAML 1.1\n---\na: 1", "x.yaml:2: expected YAML 1.2; got version"),
    "a huge version": ("%YAML 1." + "9" * 5000 + "\n---\na: 1", f"{NO_YAML}{RANGE}"),
    "two documents": ("a: 1\n---\nb: 1", "x.yaml:2: expected one document; a second"),
    "a tab": (
        "a:\n\tb: 1",
        f"x.yaml:2: {NO_YAML}a tab is not expected here; indent wit",
    ),
    "brackets": ("[" * 199_000, f"x.yaml:1: {LEVELS}"),
    "dashes": ("- " * 99_000, f"x.yaml:1: {LEVELS}"),
    "questions": ("? " * 99_000, f"x.yaml:1: {LEVELS}"),
    "a huge escape": ('a: "\\UFFFFFFFF"', f"x.yaml:1: {NO_YAML}{RANGE}"),
    "an escape beyond Unicode": ('a: "\\U00110000"', f"x.yaml:1: {NO_YAML}{RANGE}"),
    "a lone surrogate": (
        'name: "\\ud800"',
        "x.yaml:1: name: control characters are not allowed; got U+D800",
    ),
    "a turned text": (
        'name: "a\\u202e"',
        "x.yaml:1: name: control characters are not allowed; got U+202E",
    ),
    "a control character in a name": (
        HEAD + 'space: {"a\\x1b[2J": 1}',
        f"x.yaml:4: space.?: {KEY}'a\\x1b[2J'",
    ),
    "a long key": (f"? {'k' * 90_000}\n: {{{many('a{n}: 1', 2000)}}}", f"{KEY}'kkkk"),
    "a huge number as a key": (
        f"? 0x{'f' * 4000}\n: 1",
        "expected text as a key; got ",
    ),
    "a huge number in a list": (
        f"- 0x{'f' * 4000}",
        "x.yaml:1: expected keys such as n",
    ),
    "a huge number": (
        f"{HEAD}space: {{u: {'9' * 4000}}}",
        "x.yaml:4: space.u: expected a whole number of at most 9007199254740992",
    ),
    "NaN": (HEAD + "space: {u: .nan}", "x.yaml:4: space.u: expected a finite number"),
    "a time beyond floats": (
        HEAD + f"search: {{timeout: {'1' * 304}d{'4' * 305}h}}",
        "x.yaml:4: search.timeout: expected at most 366 days",
    ),
    "2400 unknown keys": (
        HEAD + many("spce{n}: 1", 2400, "\n"),
        "x.yaml:4: spce0: unknown key 'spce0'; did you mean 'space'?",
    ),
    "NaN and unknown keys": (
        f"{HEAD}{many('spce{n}: 1', 999, chr(10))}\n"
        f"space: {{{many('u{n}: .nan', 999)}}}",
        "x.yaml:4: spce0: unknown key 'spce0'; did you mean 'space'?",
    ),
    "4500 metrics": (
        f"{HEAD}evaluation: {{metrics: [{many('acuracy{n}', 4500)}]}}",
        "x.yaml:4: evaluation.metrics: expected a list of at most 100 scorers; got",
    ),
    "one column 4500 times": (
        f"name: a\ndata: {{source: a.csv, drop: [{', '.join(['x'] * 4500)}]}}\n",
        "x.yaml:2: data.drop[1]: 'x' is listed twice",
    ),
    "bytes that are no text": (
        b"a: \xff",
        "x.yaml:1: expected UTF-8 text; got the byte",
    ),
}


def measured(read, text):
    """Return what reading gives, processor seconds and the growth of the peak."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = math.inf
    for _ in range(3):
        started = time.process_time()
        outcome = read(text)
        seconds = min(seconds, time.process_time() - started)
        if seconds < MAX_SECONDS / 2:
            break  # else a busy machine may have made it look slow
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    return outcome, seconds, growth


@pytest.mark.parametrize(("text", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_soon_at_its_line(read, text, message):
    mistakes, seconds, growth = measured(read, text)
    assert isinstance(mistakes, list)
    assert any(message in mistake for mistake in mistakes), mistakes[:5]
    assert seconds < MAX_SECONDS
    assert growth < MAX_KILOBYTES
    assert sum(map(len, mistakes)) < 100_000


SOUND = {
    "a grid of 1e9 cells": (
        space_of((f"h{n}: [{many('{n}', 10)}]" for n in range(9)), GRID),
        10**9,
    ),
    "a grid beyond 64 bits": (
        space_of((f"h{n}: [{many('{n}', 10)}]" for n in range(60)), GRID),
        10**60,
    ),
    "a chain of 300": (
        space_of(
            [
                "h0: [1, 2]",
                *(
                    f"h{n}: {{choices: [1, 2], when: {{h{n - 1}: 1}}}}"
                    for n in range(1, 300)
                ),
            ],
            GRID,
        ),
        301,  # it ends at any of 300 places; at the last one with either value
    ),
    "a chain of 300, children first": (
        space_of(
            [
                *(
                    f"h{n}: {{choices: [1, 2], when: {{h{n - 1}: 1}}}}"
                    for n in range(299, 0, -1)
                ),
                "h0: [1, 2]",
            ],
            GRID,
        ),
        301,
    ),
    "a million steps, 300 times": (
        space_of((f"h{n}: {{float: [0, 1], step: 1e-6}}" for n in range(300)), GRID),
        1_000_001**300,
    ),
    "whole numbers, 300 times": (
        space_of(
            (f"h{n}: {{int: [0, 9007199254740991], step: 1e10}}" for n in range(300)),
            GRID,
        ),
        900_720**300,
    ),
    "2000 values of a condition": (
        space_of(
            [
                f"p: [{many('a{n}', 2000)}]",
                f"u: {{choices: [1, 2], when: {{p: [{many('a{n}', 1500)}]}}}}",
            ],
            GRID,
        ),
        1500 * 2 + 500,
    ),
    "a range of 600 orders": (
        f"{GRID}space: {{u: {{float: [1e-300, 1e300], log: true, points: 7}}}}",
        7,
    ),
    "Windows line ends and a mark": ("\ufeff" + STUDY.replace("\n", "\r\n"), None),
}


@pytest.mark.parametrize(("text", "n_cells"), SOUND.values(), ids=SOUND.keys())
def test_a_strange_but_sound_file_is_read_soon(read, text, n_cells):
    spec, seconds, growth = measured(read, text)
    assert isinstance(spec, StudySpec), spec
    assert n_cells in (None, spec.space.grid.count)
    assert seconds < MAX_SECONDS
    assert growth < MAX_KILOBYTES


def test_thousands_of_choices_for_an_estimator_are_judged_soon(tmp_path):
    import sklearn.svm  # noqa: F401, its import is not what is measured

    def read(text):
        with pytest.raises(SpecError, match="expected one of 'linear'") as refused:
            read_study(file)
        return refused.value.problems

    text = space_of([f"kernel: [{many('k{n}', 4000)}]"])
    file = tmp_path / "x.yaml"
    file.write_text(text.replace("model: any", "model: sklearn.svm.SVC"))
    mistakes, seconds, _ = measured(read, text)
    assert len(mistakes) <= 51
    assert seconds < MAX_SECONDS

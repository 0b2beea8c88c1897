"""A study file is read whole: what is right comes back, every mistake has its line."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from hpo.errors import Problem, SpecError, near_match
from hpo.space import Categorical, Float, Int, Space
from hpo.spec import differences, parse_duration, parse_study, read_study

DIGITS = """\
name: digits
data:
  source: sklearn.digits        # sklearn.<name> | file.csv | .parquet | .npz
  # target: weather             # column; features: [...]; drop: [date]
  test_size: 0.2                # held out before anything else
task: classification            # or regression; inferred when left out
model: keras-mlp                # a family; see section 5
space:                          # scalar = constant, list = choices, mapping = range
  hidden_layers: {int: [1, 3]}
  units: {int: [16, 256], log: true}            # add `repeat: hidden_layers`
  activation: [relu, tanh]
  optimizer: [adam, sgd]
  momentum: {float: [0.0, 0.99], when: {optimizer: sgd}}
  learning_rate: {float: [1e-4, 1e-1], log: true}
  dropout: {float: [0.0, 0.5]}
  batch_size: {int: [10, 100], step: 20}        # 10 30 50 70 90
  epochs: 50
search:
  strategy: bayesian            # grid | random | bayesian
  trials: 40                    # also timeout: 30m, patience: 15
  seed: 0
  width: 4                      # see section 7
evaluation:
  folds: 5                      # repeats: 1; split: stratified | kfold
  metric: accuracy              # any scikit-learn scorer name
"""
"""The example of the design, line for line; only its comments are shortened."""

SMALL = {
    "name": "small",
    "data": {"source": "sklearn.iris"},
    "model": "keras-mlp",
    "space": {"units": [8, 16]},
}
TABLE = {"source": "a.csv", "target": ["y", "z"]}
KFOLD = {"split": "kfold"}
KNOWN = (
    *("hidden_layers", "units", "activation", "optimizer", "momentum"),
    *("learning_rate", "dropout", "batch_size", "epochs"),
)


class FakeFamily:
    """Knows the names of some hyperparameters, and remembers the task it was told."""

    name = "keras-mlp"
    group_limit = 1
    group_matters = False
    takes_arrays = False
    task = "never asked"

    def problems(self, space, task, n_outputs=None):
        self.task = task
        return [
            Problem(name, f"keras-mlp has no hyperparameter {name!r}{hint}")
            for name in space.declared
            for hint in [near_match(name, KNOWN)]
            if name not in KNOWN
        ]


def find_family(name):
    if name != "keras-mlp":
        raise SpecError([Problem("model", f"no family {name!r}")])
    return FakeFamily()


def parse(document, **options):
    options = {"folder": Path("/here"), "find_family": find_family} | options
    return parse_study(document, **options)


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Write a study file and read it, named relative to the working folder."""
    monkeypatch.chdir(tmp_path)
    file = Path("studies/x.yaml")
    file.parent.mkdir()

    def read(text, **options):
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_study(file, find_family=find_family, **options)

    return read


@pytest.fixture
def mistakes(read):
    """Return the lines that a wrong file is refused with."""

    def mistakes(text, **options):
        with pytest.raises(SpecError, match=r".") as caught:
            read(text, **options)
        return str(caught.value).split("\n")

    return mistakes


def digits(**replaced):
    """Return the design's example with the values of some keys replaced."""
    text = DIGITS
    for key, value in replaced.items():
        text, n_found = re.subn(
            rf"^( *{key}:).*", lambda m, v=value: f"{m[1]} {v}", text, flags=re.M
        )
        assert n_found == 1
    return text


def test_the_example_of_the_design_is_read(read, tmp_path):
    spec = read(DIGITS)
    assert (spec.name, spec.task, spec.model) == (
        "digits",
        "classification",
        "keras-mlp",
    )
    assert (spec.data.source, spec.data.test_size) == ("sklearn.digits", 0.2)
    assert (spec.search.strategy, spec.search.trials) == ("bayesian", 40)
    assert (spec.evaluation.folds, spec.evaluation.metric) == (5, "accuracy")
    assert spec.space == Space(
        hidden_layers=Int(1, 3),
        units=Int(16, 256, log=True),
        activation=["relu", "tanh"],
        optimizer=["adam", "sgd"],
        momentum=Float(0.0, 0.99, when={"optimizer": "sgd"}),
        learning_rate=Float(1e-4, 1e-1, log=True),
        dropout=Float(0.0, 0.5),
        batch_size=Int(10, 100, step=20),
        epochs=50,
    )
    assert spec.folder == tmp_path / "studies"
    assert spec.text == DIGITS


def test_the_mistakes_of_the_design_are_reported_together_at_their_lines(mistakes):
    text = digits(learning_rate="{float: [0, 1e-1], log: true}")
    assert mistakes(text.replace("dropout:", "dropuot:")) == [
        "studies/x.yaml:14: space.learning_rate: low must be above 0 because log is "
        "true; got 0",
        "studies/x.yaml:15: space.dropuot: keras-mlp has no hyperparameter 'dropuot'; "
        "did you mean 'dropout'?",
    ]


def test_mistakes_of_every_section_are_reported_together_in_the_order_of_the_file(
    mistakes,
):
    text = digits(
        name="../x",
        test_size="1.5",
        task="sorting",
        activation="[relu, relu]",
        strategy="baysian",
        seed="many",
        folds="1",
        metric="accurcy",
    ).replace("trials:", "trails:")
    found = [line.removeprefix("studies/x.yaml:") for line in mistakes(text)]
    assert found == [
        "1: name: expected 1 to 200 letters, digits, spaces and -_.; got '../x'",
        "5: data.test_size: expected a share from 0 to below 1; got 1.5",
        "6: task: expected one of classification, regression; got 'sorting'",
        "11: space.activation[1]: 'relu' is listed twice",
        "19: search.strategy: expected one of grid, random, bayesian; got 'baysian'; "
        "did you mean 'bayesian'?",
        "20: search.trails: unknown key 'trails'; did you mean 'trials'?",
        "21: search.seed: expected a whole number from 0 to 4294967295; got 'many'",
        "24: evaluation.folds: expected a whole number of at least 2; got 1",
        "25: evaluation.metric: expected the name of a scikit-learn scorer; got "
        "'accurcy'; did you mean 'accuracy'?",
    ]


BAD_FILES = {
    "empty": ("", ": the file is empty; expected a study"),
    "only comments": ("# x\n", ": the file is empty; expected a study"),
    "list": (
        "- a\n",
        ":1: expected keys such as name, data, model and space; got ['a']",
    ),
    "unclosed list": (
        "a: [1\nb: 2",
        ":2: not valid YAML: expected ',' or ']', but got ':' (in what starts on "
        "line 1)",
    ),
    "bad indentation": (
        "a: 1\n b: 2",
        ":2: not valid YAML: a ':' is not expected here; check the indentation, or "
        "quote the text",
    ),
    "tab": (
        "\ta: 1",
        ":1: not valid YAML: a tab is not expected here; indent with spaces",
    ),
    "quote": ("a: 'x", ":1: not valid YAML: a quote is not closed"),
    "token": (
        "a: [1, 2",
        ":1: not valid YAML: expected ',' or ']', but got the end of the file",
    ),
    "two documents": (
        "---\na: 1\n---\nb: 1\n",
        ":3: expected one document; a second starts here",
    ),
    "old version": (
        "%YAML 1.1\n---\na: no\n",
        ":2: expected YAML 1.2; got version 1.1",
    ),
    "latin-1": (b"a: 1\nb: \xe9\n", ":2: expected UTF-8 text; got the byte 0xe9"),
    "bell": ("a: 1\nb: \x07", ":2: control characters are not allowed; got U+0007"),
    "deep": ("a: " + "[" * 30, ":1: expected at most 20 levels of nesting; got more"),
    "deep without end": (
        "[" * 199_000,
        ":1: expected at most 20 levels of nesting; got more",
    ),
    "long": (
        f"a: [{'1,' * 90_000}]",
        ":1: expected at most 5000 values; got more",
    ),
    "large": (
        "#" * 200_001,
        ": expected a study file of at most 200 kB; got more",
    ),
    "alias bomb": (
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{key}: &{key} [{', '.join([f'*{before}'] * 9)}]\n"
            for before, key in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        ": expected at most 5000 values, aliases written out; got more",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_what_is_no_study_document_is_refused_in_one_sentence(mistakes, text, message):
    assert mistakes(text) == [f"studies/x.yaml{message}"]


@pytest.mark.parametrize("text", ["[" * 199_000, "a: [" + "1," * 90_000, "&a " * 9999])
def test_a_hostile_file_is_refused_at_once(mistakes, text):
    started = time.process_time()
    mistakes(text)
    assert time.process_time() - started < 1  # about 0.2 s; hours if nothing stops it


BAD_ENTRIES = {
    "": "space.units: expected a value, a list or a range; got nothing; for no value "
    "write {value: null}",
    "{}": "space.units: expected one of float, int, choices, value; got an empty "
    "mapping",
    "{log: true}": "space.units: expected one of float, int, choices, value; got log",
    "{int: [1, 2], float: [1, 2]}": "space.units: expected only one of float, int, "
    "choices, value; got float and int",
    "{flaot: [1, 2]}": "space.units.flaot: unknown key 'flaot'; did you mean 'float'?",
    "{int: [1.5, 3]}": "space.units.low: expected a whole number; got 1.5",
    "{float: [a, 1]}": "space.units.low: expected a finite number; got 'a'",
    "{float: [1]}": "space.units.float: expected [low, high]; got [1]",
    "{float: [1, 2, 3]}": "space.units.float: expected [low, high]; got [1, 2, 3]",
    "{float: 1}": "space.units.float: expected [low, high]; got 1",
    "{int: [5, 1]}": "space.units: low must not be above high; got 5 and 1",
    "{int: [1, 5], log: yes}": "space.units.log: expected true or false; got 'yes'",
    "{int: [1, 5], step: 0}": "space.units.step: expected a number above 0; got 0",
    "{int: [1, 5], points: true}": "space.units.points: expected a whole number; got "
    "true",
    "[]": "space.units: expected at least one choice; got an empty list",
    "[[1]]": "space.units[0]: expected a number, a text, true, false or null; got [1]",
    "{choices: 8}": "space.units.choices: expected a list; got 8",
    "{value: [8]}": "space.units.value: expected a single value; got [8]",
    "{choices: [8], log: true}": "space.units.log: is for float and int ranges; "
    "choices cannot have it",
    "{value: 8, when: sgd}": "space.units.when: expected a hyperparameter and its "
    "values, as in {optimizer: sgd}; got 'sgd'",
    "{value: 8, when: {optimizer: {a: 1}}}": "space.units.when.optimizer: expected a "
    "value or a list of values; got a mapping of a",
    "{value: 8, when: {optimzer: sgd}}": "space.units.when.optimzer: no "
    "hyperparameter has this name; did you mean 'optimizer'?",
    "{value: 8, when: {optimizer: sdg}}": "space.units.when.optimizer: expected a "
    "value of it (adam, sgd); got 'sdg'; did you mean 'sgd'?",
    "{value: 8, repeat: 3}": "space.units.repeat: expected the name of a "
    "hyperparameter; got 3",
    "{value: 8, repeat: layers}": "space.units.repeat: no hyperparameter is named "
    "'layers'; did you mean 'hidden_layers'?",
    ".nan": "space.units: expected a finite number; got nan",
    "{float: [0, .inf]}": "space.units.float[1]: expected a finite number; got inf",
    "1e999": "space.units: expected a finite number; got inf",
    "{int: [1, 99999999999999999999]}": "space.units.int[1]: expected a whole number "
    "of at most 9007199254740992 (2**53); got more",
    "!!python/object:os.system x": "space.units: tags such as "
    "!!python/object:os.system are not allowed; write a plain value",
    "*eight": "space.units: no anchor &eight is complete before this alias",
    '"\\a"': "space.units: control characters are not allowed; got U+0007",
}


@pytest.mark.parametrize(("entry", "message"), BAD_ENTRIES.items())
def test_a_wrong_hyperparameter_is_refused_at_its_line(mistakes, entry, message):
    assert mistakes(digits(units=entry)) == [f"studies/x.yaml:10: {message}"]


def test_hyperparameters_that_depend_on_a_wrong_one_are_not_blamed(mistakes):
    text = digits(optimizer="{chioces: [adam]}")
    assert mistakes(text) == [
        "studies/x.yaml:12: space.optimizer.chioces: unknown key 'chioces'; did you "
        "mean 'choices'?"
    ]


BAD_VALUES = {
    "serach: {}": "serach: unknown key 'serach'; did you mean 'search'?",
    "folder: /": "folder: unknown key 'folder'",
    "text: x": "text: unknown key 'text'",
    "name: digits": "name: 'name' is given twice, first on line 1",
    "3: x": "3: expected text as a key; got 3; put it in quotes",
    "<<: {a: 1}": "<<: merge keys (<<) are not part of YAML 1.2; write the keys out",
    "select: best": "select: expected one of mean, one-se; got 'best'",
    "engine: local": "engine: expected a mapping such as {jobs: 4}; got 'local'",
    "engine: {kind: dask}": "engine.kind: 'dask' is not supported yet",
    "engine: {kind: dsk}": "engine.kind: expected one of local; got 'dsk'",
    "engine: {backend: jxa}": "engine.backend: expected one of tensorflow, jax; got "
    "'jxa'; did you mean 'jax'?",
    "engine: {jobs: 0}": "engine.jobs: expected a whole number of at least 1; got 0",
    "engine: {jobs: 2000000000}": "engine.jobs: expected at most 1000000000; got "
    "2000000000",
    "engine: {threads: true}": "engine.threads: expected a whole number of at least "
    "1; got true",
}


@pytest.mark.parametrize(("line", "message"), BAD_VALUES.items())
def test_a_wrong_key_is_refused_at_its_line(mistakes, line, message):
    assert mistakes(DIGITS + line) == [f"studies/x.yaml:26: {message}"]


@pytest.mark.parametrize(
    ("model", "name"), [("sklearn-mlp", "epochs"), ("sklearn.svm.SVC", "C")]
)
def test_a_backend_is_refused_where_there_is_no_keras(model, name, tmp_path):
    document = {"name": "x", "data": {"source": "sklearn.iris"}, "model": model}
    document["space"] = {name: 3}
    overrides = {"engine.backend": "jax"}
    with pytest.raises(SpecError) as caught:
        parse_study(document, folder=tmp_path, overrides=overrides)
    assert str(caught.value) == (
        f"--backend: only Keras has a backend, and '{model}' trains without Keras; "
        "leave it out, or take a model such as keras-mlp; got 'jax'"
    )
    overrides["engine.backend"] = "tensorflow"
    assert parse_study(document, folder=tmp_path, overrides=overrides)


def test_a_study_may_name_its_backend(read):
    assert read(DIGITS + "engine: {backend: jax}").engine.backend == "jax"
    assert read(DIGITS).engine.backend == "tensorflow"
    given = {"engine.backend": "jax"}
    assert read(DIGITS, overrides=given).engine.backend == "jax"


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("data", "group", 3, "expected the name of a column; got 3"),
        ("data", "order", [], "expected the name of a column; got []"),
        (
            "data",
            "target",
            [],
            "expected the name of a column, or a list of names; got",
        ),
        ("data", "target", ["a", 1], "expected the name of a column, or a list of na"),
        (
            "data",
            "source",
            "",
            "expected a data set such as sklearn.digits, data.csv or",
        ),
        (
            "data",
            "source",
            {},
            "expected a data set such as sklearn.digits, data.csv or",
        ),
        (
            "data",
            "source",
            {"a": 1},
            "expected a data set such as sklearn.digits, data",
        ),
        ("data", "source", {"a": {}, "b": {}}, "expected a data set such as sklearn."),
        ("data", "features", "a", "expected a list of column names; got 'a'"),
        ("data", "features", [], "expected a list of column names; got []"),
        ("data", "test_size", 1, "expected a share from 0 to below 1; got 1"),
        ("search", "trials", 0, "expected a whole number of at least 1; got 0"),
        ("search", "trials", 2.5, "expected a whole number of at least 1; got 2.5"),
        ("search", "seed", -1, "expected a whole number from 0 to 4294967295; got -1"),
        ("search", "seed", 2**32, "expected at most 4294967295; got 4294967296"),
        ("search", "seed", None, "expected a whole number from 0 to 4294967295; got n"),
        ("search", "width", 0, "expected a whole number of at least 1; got 0"),
        ("search", "timeout", "soon", "expected a time above 0, such as 30m, 1h30m or"),
        ("search", "defaults_first", "no", "expected true or false; got 'no'"),
        ("evaluation", "split", "group", "group needs the column that says which rows"),
        (
            "evaluation",
            "split",
            "kfolds",
            "expected one of stratified, kfold, group, ti",
        ),
        ("evaluation", "repeats", 0, "expected a whole number of at least 1; got 0"),
        (
            "evaluation",
            "metrics",
            ["r2"] * 101,
            "expected a list of at most 100 scorers",
        ),
        ("evaluation", "racing", "predictive", "expected false, as anything else is"),
        ("evaluation", "nested", True, "expected false, or a number of outer folds"),
        ("evaluation", "metric", "mean_squared_error", "expected a score (greater is"),
        ("evaluation", "fold_timeout", -5, "expected a time above 0, such as 30m"),
    ],
)
def test_a_wrong_value_is_refused(section, key, value, message):
    given = {"source": "sklearn.iris"} if section == "data" else {}
    document = SMALL | {section: given | {key: value}}
    with pytest.raises(SpecError, match=re.escape(f"{section}.{key}: {message}")):
        parse(document)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("net:build", "no family 'net:build'"),
        ({"builder": "net:build"}, "no family 'net:build'"),
        ({"builder": "network"}, "expected module:function; got 'network'"),
        ({"builder": 5}, "expected the name of a family such as keras-mlp; got 5"),
        ({"keras_tuner": "net:build"}, "no family 'keras_tuner:net:build'"),
        ({"objective": "net:f"}, "no family 'objective:net:f'"),
        ({"bilder": "net:f"}, "expected the name of a family such as keras-mlp; got a"),
        ("keras", "no family 'keras'"),
        (None, "expected the name of a family such as keras-mlp; got nothing"),
    ],
)
def test_a_model_that_is_no_family_is_refused(model, message):
    with pytest.raises(SpecError, match=re.escape(f"model: {message}")):
        parse(SMALL | {"model": model})


@pytest.mark.parametrize(
    "name", ["", "a/b", ".hidden", "-x", "a\nb", " a", "a ", "x" * 201, "a;b", 5]
)
def test_a_name_that_a_file_or_a_table_could_not_carry_is_refused(name):
    with pytest.raises(SpecError, match=r"^name: "):
        parse(SMALL | {"name": name})


@pytest.mark.parametrize("name", ["a", "Mein Netz 2.0", "études_1-b", "x" * 200])
def test_a_plain_name_is_taken(name):
    assert parse(SMALL | {"name": name}).name == name


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"task": "regression", "evaluation": {"metric": "f1"}}, "evaluation.metric"),
        (
            {"task": "classification", "evaluation": {"metrics": ["f1_macro", "r2"]}},
            "evaluation.metrics[1]",
        ),
        ({"evaluation": {"metrics": ["r2", "r2"]}}, "evaluation.metrics[1]"),
        (
            {"task": "regression", "evaluation": {"split": "stratified"}},
            "evaluation.split",
        ),
        ({"data": {"source": "a.csv", "target": "y", "drop": ["y"]}}, "data.drop[0]"),
        ({"data": {"source": "a.csv", "features": ["x", "x"]}}, "data.features[1]"),
        ({"data": TABLE | {"target": ["y", "y"]}}, "data.target[1]"),
        ({"data": TABLE | {"features": ["x", "z"]}}, "data.features[1]"),
        ({"data": TABLE, "task": "classification"}, "data.target"),
        ({"data": TABLE | {"group": "y"}}, "data.group"),
        ({"data": TABLE | {"order": "z"}}, "data.order"),
        ({"data": TABLE | {"group": "g", "features": ["x", "g"]}}, "data.features[1]"),
        ({"data": TABLE | {"group": "g", "order": "t"}}, "data.order"),
        ({"data": TABLE | {"group": "g"}, "evaluation": KFOLD}, "data.group"),
        ({"data": TABLE | {"order": "t"}, "evaluation": KFOLD}, "data.order"),
        (
            {"data": TABLE | {"order": "t"}, "evaluation": {"repeats": 2}},
            "evaluation.repeats",
        ),
        ({"evaluation": {"split": "time", "repeats": 2}}, "evaluation.repeats"),
        (
            {
                "data": TABLE,
                "task": "regression",
                "evaluation": {"metric": "max_error"},
            },
            "evaluation.metric",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_refused(changed, where):
    with pytest.raises(SpecError, match=rf"^{re.escape(where)}: "):
        parse(SMALL | changed)


def test_a_source_may_have_arguments():
    spec = parse(SMALL | {"data": {"source": {"sklearn.moons": {"noise": 0.2}}}})
    assert (spec.data.name, spec.data.options) == ("sklearn.moons", {"noise": 0.2})
    for written in ({"sklearn.moons": {}}, {"sklearn.moons": None}, "sklearn.moons"):
        data = parse(SMALL | {"data": {"source": written}}).data
        assert (data.source, data.name, data.options) == ("sklearn.moons",) * 2 + ({},)


def test_the_order_of_arguments_means_nothing():
    given = [("noise", 0.2), ("factor", 0.5)]
    one, other = (
        parse(SMALL | {"data": {"source": {"sklearn.circles": dict(pairs)}}})
        for pairs in (given, given[::-1])
    )
    assert one == other


@pytest.mark.parametrize(
    ("target", "targets"),
    [(None, ()), ("y", ("y",)), (["y"], ("y",)), (["z", "y"], ("z", "y"))],
)
def test_a_target_is_a_column_or_a_list_of_them(target, targets):
    spec = parse(SMALL | {"data": {"source": "a.csv", "target": target}})
    assert spec.data.targets == targets
    assert parse(spec.to_document()) == spec


@pytest.mark.parametrize(
    ("columns", "split", "resolved"),
    [
        ({}, None, None),
        ({}, "kfold", "kfold"),
        ({}, "time", "time"),
        ({"group": "g"}, None, "group"),
        ({"group": "g"}, "group", "group"),
        ({"order": "t"}, None, "time"),
        ({"order": "t"}, "time", "time"),
    ],
)
def test_the_split_follows_the_columns_it_goes_by(columns, split, resolved):
    data = {"source": "a.csv", "target": "y"} | columns
    spec = parse(SMALL | {"data": data, "evaluation": {"split": split}})
    assert spec.split == resolved
    assert parse(spec.to_document()) == spec


def test_a_trial_has_the_folds_of_every_repeat():
    evaluation = parse(SMALL | {"evaluation": {"folds": 4, "repeats": 3}}).evaluation
    assert (evaluation.folds, evaluation.repeats, evaluation.n_folds) == (4, 3, 12)


@pytest.mark.parametrize("model", ["net:build", {"builder": "net:build"}])
def test_a_builder_is_found_beside_the_study_and_not_imported(model, tmp_path):
    (tmp_path / "net.py").write_text("raise SystemExit('imported')")
    spec = parse(SMALL | {"model": model}, folder=tmp_path, find_family=None)
    assert spec.model == "net:build"
    assert parse(spec.to_document(), folder=tmp_path, find_family=None) == spec


@pytest.mark.parametrize("model", ["os:system", {"builder": "os:system"}])
def test_a_builder_from_elsewhere_must_be_allowed(model):
    message = r"^model: there is no os\.py beside the study file; to use an installed"
    with pytest.raises(SpecError, match=message):
        parse(SMALL | {"model": model}, find_family=None)
    options = {"find_family": None, "allowed_modules": ["os"]}
    spec = parse(SMALL | {"model": model}, **options)
    assert (spec.model, spec.allowed_modules) == ("os:system", ("os",))


def test_a_study_file_cannot_allow_itself_modules():
    with pytest.raises(SpecError, match=r"^allowed_modules: unknown key"):
        parse(SMALL | {"allowed_modules": ["os"]})


def test_the_family_is_told_the_task():
    family = FakeFamily()
    parse(SMALL | {"task": "regression"}, find_family=lambda name: family)
    assert family.task == "regression"
    parse(SMALL, find_family=lambda name: family)
    assert family.task is None


class NeedsUnits(FakeFamily):
    """Asks for ``units``, as a family does that has no default for it."""

    def problems(self, space, task, n_outputs=None):
        return [] if "units" in space.names else [Problem("units", "is needed")]


def test_a_family_does_not_miss_a_hyperparameter_that_is_merely_wrong():
    def find(name):
        return NeedsUnits()

    with pytest.raises(SpecError, match=r"^space\.units: is needed$"):
        parse(SMALL | {"space": {"dropout": 0.1}}, find_family=find)
    with pytest.raises(SpecError, match=r"^space\.units\.int: expected \[low, high\]"):
        parse(SMALL | {"space": {"dropout": 1, "units": {"int": 1}}}, find_family=find)
    with pytest.raises(SpecError) as caught:
        parse(SMALL | {"space": {"dropout": 1, "units": []}}, find_family=find)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "space: expected at least one hyperparameter; got an empty space"),
        (None, "space: expected hyperparameters by name; got nothing"),
        ([1], "space: expected hyperparameters by name; got [1]"),
        ({"a+b": 1}, "space.a+b: expected a name of letters, digits and _, not"),
        (
            {"units": {"value": 1, "repeat": "hidden_layers"}, "hidden_layers": [1.5]},
            "space.units.repeat: expected 'hidden_layers' to be whole numbers",
        ),
        ({f"h{n}": 1 for n in range(301)}, "space: expected at most 300 hyperparam"),
    ],
)
def test_a_wrong_space_is_refused(space, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        parse(SMALL | {"space": space})


def test_a_grid_over_a_continuum_is_refused_only_for_a_grid():
    document = SMALL | {"space": {"dropout": {"float": [0, 0.5]}}}
    assert parse(document).space.size is None
    message = r"^space\.dropout: a grid needs finitely many values; got 0\.0 to 0\.5"
    with pytest.raises(SpecError, match=message):
        parse(document | {"search": {"strategy": "grid"}})


def test_what_is_missing_is_said_and_what_is_expected():
    with pytest.raises(SpecError) as caught:
        parse({"data": {"target": "y"}})
    assert str(caught.value).split("\n") == [
        "name: missing; expected a name such as digits",
        "data.source: missing; expected a data set such as sklearn.digits, data.csv or "
        "{sklearn.moons: {noise: 0.2}}",
        "model: missing; expected the name of a family such as keras-mlp",
        "space: missing; expected at least one hyperparameter",
    ]


def test_of_very_many_mistakes_only_the_number_is_told(mistakes):
    lines = mistakes(DIGITS + "".join(f"k{n}: 1\n" for n in range(60)))
    assert len(lines) == 51
    assert lines[-1] == "studies/x.yaml: 10 more mistakes are not shown"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        (".5", 0.5),
        ("+5", 5),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("no", "no"),
        ("on", "on"),
        ("True", True),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("'1'", "1"),
        ("|\n    two\n    lines", "two\nlines\n"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(read, text, value):
    constant = read(digits(units=text)).space.declared["units"]
    assert constant == Categorical((value,))
    assert type(constant.choices[0]) is type(value)


def test_anchors_and_aliases_are_written_out(read):
    text = digits(units="&range {int: [8, 64]}", dropout="*range")
    declared = read(text).space.declared
    assert declared["dropout"] == declared["units"] == Int(8, 64)


def test_a_mistake_behind_an_alias_is_told_at_the_alias(mistakes):
    text = digits(units="&range {int: [1.5, 64]}", dropout="*range")
    assert [line.split(": ")[0] for line in mistakes(text)] == [
        "studies/x.yaml:10",
        "studies/x.yaml:15",
    ]


def test_a_missing_file_is_refused_with_a_near_match(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("studies").mkdir()
    Path("studies/digits.yaml").touch()
    near = r"^studies/digit\.yml: no such file; did you mean 'studies/digits\.yaml'\?$"
    with pytest.raises(SpecError, match=near):
        read_study(Path("studies/digit.yml"))
    with pytest.raises(SpecError, match=r"^nowhere/x\.yaml: no such file$"):
        read_study(Path("nowhere/x.yaml"))


def test_a_folder_or_a_pipe_is_no_study_file(tmp_path):
    with pytest.raises(SpecError, match=r"expected a study file; got a directory"):
        read_study(tmp_path)
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(SpecError, match=r"expected a study file; got a device or a pi"):
        read_study(tmp_path / "pipe.yaml")


def test_overrides_replace_what_the_file_says(read):
    given = {
        "search.trials": 10,
        "search.timeout": "30m",
        "search.strategy": "random",
        "name": "new",
        "engine.jobs": 2,
        "search.seed": None,
    }
    spec = read(DIGITS, overrides=given)
    assert (spec.search.trials, spec.search.timeout_seconds) == (10, 1800)
    assert (spec.search.strategy, spec.search.seed) == ("random", 0)
    assert (spec.name, spec.engine.jobs) == ("new", 2)


def test_a_wrong_override_is_told_by_its_flag(mistakes):
    given = {
        "search.trials": 0,
        "search.timeout": "soon",
        "engine.kind": "dask",
        "evaluation.fold_timeout": "-1",
    }
    assert [line.split(": ")[0] for line in mistakes(DIGITS, overrides=given)] == [
        "--trials",
        "--timeout",
        "--fold-timeout",
        "--engine",
    ]


def test_what_an_override_does_to_the_rest_is_told_at_its_line(mistakes):
    text = digits(units="8", momentum="0", learning_rate="1e-3")
    assert mistakes(text, overrides={"search.strategy": "grid"}) == [
        "studies/x.yaml:15: space.dropout: a grid needs finitely many values; got 0.0 "
        "to 0.5; add `points: 5` or a step, or list the values"
    ]


def test_defaults_fill_what_is_left_out():
    spec = parse(SMALL)
    assert spec.to_document() == {
        "name": "small",
        "task": None,
        "data": {
            "source": "sklearn.iris",
            "target": None,
            "features": None,
            "drop": [],
            "group": None,
            "order": None,
            "test_size": 0.2,
        },
        "model": "keras-mlp",
        "space": {"units": [8, 16]},
        "search": {
            "strategy": "bayesian",
            "trials": None,
            "timeout": None,
            "patience": None,
            "seed": 0,
            "width": 4,
            "max_failures": 10,
            "defaults_first": True,
        },
        "evaluation": {
            "folds": 5,
            "repeats": 1,
            "split": None,
            "metric": None,
            "metrics": [],
            "fold_timeout": None,
            "racing": False,
            "nested": False,
        },
        "select": "mean",
        "engine": {
            "kind": "local",
            "jobs": None,
            "threads": 1,
            "backend": "tensorflow",
        },
    }


@pytest.mark.parametrize(
    ("search", "budget"),
    [
        ({}, 20),
        ({"trials": 7}, 7),
        ({"strategy": "grid"}, None),
        ({"strategy": "grid", "trials": 7}, 7),
        (None, 20),
    ],
)
def test_the_budget_is_twenty_trials_and_a_grid_runs_whole(search, budget):
    assert parse(SMALL | {"search": search}).search.budget == budget


SPACE = {
    "hidden_layers": {"int": [0, 3]},
    "units": {"int": [8, 64], "log": True, "points": 3, "repeat": "hidden_layers"},
    "optimizer": ["sgd", "adam", None, True, 1.5],
    "momentum": {"float": [0, 1], "step": 1, "when": {"optimizer": ["sgd"]}},
    "dropout": {"choices": [0.1, 0.2], "when": {"hidden_layers": [1, 2]}},
    "activation": {"value": None},
    "batch_size": {"value": 8, "when": {"hidden_layers": 1}},
    "epochs": [50],
    "learning_rate": 1,
}


def test_the_canonical_document_gives_an_equal_spec():
    spec = parse(SMALL | {"space": SPACE, "search": {"timeout": "1h30m"}})
    stored = json.loads(json.dumps(spec.to_document()))
    again = parse(stored)
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.to_document() == spec.to_document()
    assert stored["space"] == SPACE | {
        "momentum": {"float": [0.0, 1.0], "step": 1.0, "when": {"optimizer": "sgd"}},
        "epochs": 50,
    }


def test_specs_that_say_the_same_in_other_words_are_equal(read):
    text = digits(units="{log: true, int: [16.0, 256]}", dropout="{float: [0, 0.5]}")
    assert read(text) == read(DIGITS)
    assert read(digits(units="{int: [16, 255], log: true}")) != read(DIGITS)
    assert parse(SMALL) != parse(SMALL, folder=Path("/elsewhere"))


def test_a_space_made_in_python_is_taken_as_it_is():
    space = Space(units=Int(8, 16), dropout=Float(0, 0.5, when={"units": (8, 9)}))
    spec = parse(SMALL | {"space": space})
    assert spec == parse(spec.to_document())
    assert spec.space.declared["dropout"] == Float(0.0, 0.5, when={"units": (8, 9)})


def test_differences_name_each_changed_key():
    old = parse(SMALL | {"space": {"units": [8, 16], "dropout": 0.1}}).to_document()
    new = parse(
        SMALL
        | {"space": {"units": {"int": [8, 16]}, "epochs": 5, "dropout": 0.1}}
        | {"search": {"seed": 1}}
    ).to_document()
    assert differences(old, old) == []
    assert differences(old, new) == [
        ("space.units", [8, 16], {"int": [8, 16]}),
        ("space.epochs", None, 5),
        ("search.seed", 0, 1),
    ]


def test_the_order_of_hyperparameters_is_a_difference():
    old, new = {"space": {"a": 1, "b": 2}}, {"space": {"b": 2, "a": 1}}
    assert differences(old, new) == [("space", ["a", "b"], ["b", "a"])]


def test_one_and_true_are_different():
    assert differences({"space": {"a": 1}}, {"space": {"a": True}}) == [
        ("space.a", 1, True)
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800),
        ("45s", 45),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1.5h", 5400),
        ("1d", 86_400),
        ("90", 90),
        (0.5, 0.5),
        (None, None),
    ],
)
def test_durations_are_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "m", "30m1h", "-1", "0", 0, True, [], "1e3", "٣m", 1e12, "9999999d"]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(SpecError, match=r"^search\.timeout: expected (a time|at most)"):
        parse(SMALL | {"search": {"timeout": text}})


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", float("nan"), 10**400])
def test_a_document_holds_only_plain_values(value):
    with pytest.raises(SpecError, match=r"^space\.units: expected a "):
        parse(SMALL | {"space": {"units": value}})

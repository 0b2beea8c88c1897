"""Names and values as MLflow takes them: readable, unique, never over a limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils import validation

from hpo.tracking.names import (
    MAX_EXPERIMENT,
    MAX_KEY,
    MAX_PARAM,
    MAX_TAG,
    experiment_name,
    key,
    shortened,
    without_secrets,
)

AWKWARD = [
    *("", " ", ".", "..", "/", "../x", "a//b", "a/./b", "/etc/passwd", "a/", "..."),
    *(
        "x" * 300,
        "é" * 300,
        "😀",
        "lr😀",
        "größe",
        "名前",
        "a:b",
        "a%b",
        "a\nb",
        "a\tb",
    ),
    *("units[0]", "a=b", "C:\\x", "a'b", 'a"b', "\0", "\udcff", "a\u200bb", "-", "a "),
]


def accepted_by_mlflow(name: str) -> None:
    """Ask MLflow itself; it raises for a name that it refuses."""
    validation._validate_metric(name, 0.5, 0, 0)
    validation._validate_param(name, "text")
    validation._validate_tag(name, "text")
    for kind in ("Metric", "Param", "Tag"):
        validation._validate_length_limit(kind, validation.MAX_ENTITY_KEY_LENGTH, name)


def test_the_limits_are_those_of_mlflow():
    assert MAX_KEY == validation.MAX_ENTITY_KEY_LENGTH
    assert MAX_PARAM == validation.MAX_PARAM_VAL_LENGTH
    assert MAX_TAG == validation.MAX_TAG_VAL_LENGTH
    assert MAX_EXPERIMENT == validation.MAX_EXPERIMENT_NAME_LENGTH


@pytest.mark.parametrize(
    "name",
    ["units", "hidden layers", "a/b", "learning-rate", "svc.C", "größe", "x" * 250],
)
def test_a_name_that_mlflow_takes_stays_as_it_is(name: str):
    assert key(name) == name


@pytest.mark.parametrize("name", AWKWARD)
def test_every_awkward_name_becomes_one_that_mlflow_takes(name: str):
    accepted_by_mlflow(key(name))


def test_awkward_names_stay_readable_and_get_a_mark():
    # The digits: printf '%s' NAME | sha256sum | cut -c1-8
    assert key("units[0]") == "units_0_.a6d4d120"
    assert key("a//b") == "a__b.7a9acf33"
    assert key("../x") == "_x.d6b96a97"
    assert key("") == "e3b0c442"


def test_awkward_names_stay_apart():
    assert len({key(name) for name in AWKWARD}) == len(AWKWARD)


@given(st.text(st.characters(codec=None), max_size=320))
def test_mlflow_takes_the_key_of_any_text(name: str):
    accepted_by_mlflow(key(name))


names = st.text("ab._/-: []é", max_size=12)


@given(names, names)
def test_two_names_never_share_a_key(one: str, other: str):
    assert (key(one) == key(other)) == (one == other)


def test_a_name_that_looks_like_a_key_does_not_take_that_of_another():
    assert key(key("units[0]")) != key("units[0]")


@pytest.mark.parametrize("limit", [MAX_PARAM, MAX_TAG, MAX_EXPERIMENT])
def test_a_long_text_is_cut_at_the_limit_and_says_so(limit: int):
    assert shortened("x" * limit, limit) == "x" * limit
    cut = shortened("x" * (limit + 1), limit)
    assert len(cut) == limit
    assert cut.endswith(f"xx ... ({limit + 1} characters)")


@pytest.mark.parametrize(
    "name", ["iris", "名前", "it's", "a/../b", "x" * 500, "😀" * 400]
)
def test_an_experiment_has_the_name_of_its_study(name: str):
    assert experiment_name(name) == name
    validation._validate_experiment_name(experiment_name(name))


def test_the_name_of_an_experiment_is_within_mlflows_limit():
    validation._validate_experiment_name(experiment_name("x" * 600))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:canary@db/hpo", "postgresql://***@db/hpo"),
        ("at https://me:canary@host:5000/x.", "at https://***@host:5000/x."),
        ("mysql+pymysql://canary@h/d", "mysql+pymysql://***@h/d"),
        ("https://me:can@ary@host/", "https://***@host/"),
        (
            "File 'http://u:canary@h'\nhttp://v:canary@i",
            "File 'http://***@h'\nhttp://***@i",
        ),
        ("https://h/d?token=canary&a=1", "https://h/d?token=***&a=1"),
        ("s3://b/k?a=1&X-Secret-Key=canary", "s3://b/k?a=1&X-Secret-Key=***"),
        ("postgresql:///d?password=canary", "postgresql:///d?password=***"),
        ("https://h/d?API_KEY=canary'", "https://h/d?API_KEY=***'"),
    ],
)
def test_passwords_in_addresses_are_hidden(text: str, shown: str):
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        *("write to me@example.org", "http://host/a@b", "a = b @ c", "user:pass"),
        *("https://host/?keyboard", "sqlite:///hpo.db", "name: x  # see http://a/b"),
    ],
)
def test_a_text_without_passwords_stays_as_it_is(text: str):
    assert without_secrets(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:canary/1@h/db",
        "postgresql://u:canary#1@h/db",
        "postgresql://u:canary?1@h/db",
        "https://bucket/x?X-Amz-Signature=canary&n=1",
        "https://blob/x?sv=1&sig=canary",
        "mssql://h/db?odbc_connect=canary",
        "http://h/?pwd=canary",
        "http://h/?auth=canary",
    ],
)
def test_no_form_of_a_secret_passes(text):
    assert "canary" not in without_secrets(f"it said {text} and left")
    assert without_secrets(f"it said {text} and left").endswith("and left")


def test_what_is_no_secret_stays():
    for text in ("see http://h:5000/a?design=3", "a@b.c", "sqlite:///a:b.db"):
        assert without_secrets(text) == text

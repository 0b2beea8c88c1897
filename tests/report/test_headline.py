"""What a report says of the trial to take, checked word by word."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import numpy as np
import pytest
from report_samples import Sample

from hpo.report.headline import headline_part
from hpo.report.study_facts import read_facts
from hpo.space import Float, Space
from hpo.store import Store

SPACE = Space(rate=Float(1e-4, 1e-1, log=True))


@pytest.fixture
def store(tmp_path):
    opened = Store(f"sqlite:///{tmp_path / 'hpo.db'}")
    yield opened
    opened.close()


def drawn_params(n):
    return [{"rate": 0.001 * (1 + i)} for i in range(n)]


def words(part):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", part.body)).split())


def headline(store, name):
    return words(headline_part(read_facts(store, name)))


def test_a_score_of_an_objective_is_compared_with_no_other_model(store):
    y = np.arange(80) % 2
    made = Sample(store, "own", SPACE, y, ("a", "b")).create(family="objective:m:f")
    made.add(drawn_params(3), [0.6, 0.7, 0.8])
    said = headline(store, "own")
    assert "Not known: only the objective itself can give its score." in said


def test_the_gain_is_more_than_chance_only_if_its_interval_knows_of_the_choice(store):
    y = np.arange(400) % 2
    made = Sample(store, "known", SPACE, y, ("a", "b")).create()
    made.add(drawn_params(3), [0.2, 0.6, 0.9])
    said = headline(store, "known")
    assert "corrected as the score is for having chosen it; 95 % interval" in said
    assert ": more than chance." in said
    made = Sample(store, "unknown", SPACE).create()
    made.add(drawn_params(3), [0.2, 0.6, 0.9])
    said = headline(store, "unknown")
    assert "does not know that the trial was chosen as the best of many" in said
    assert "more than chance" not in said


def test_a_choice_that_may_be_chance_is_not_shown_to_beat_a_model_without_features(
    store,
):
    y = np.arange(80) % 2
    made = Sample(store, "noise", SPACE, y, ("a", "b")).create()
    made.add(drawn_params(3), [0.0, 0.05, 0.1])
    said = headline(store, "noise")
    assert "the corrected score of the chosen trial differs from that by" in said
    assert "Not shown to be better than a model without features" in said
    made = Sample(store, "learnt", SPACE, y, ("a", "b")).create()
    made.add(drawn_params(3), [0.5, 0.6, 0.95])
    assert "Not shown to be better" not in headline(store, "learnt")


def test_trials_that_took_no_part_in_the_corrected_score_are_counted(store):
    y = np.arange(400) % 2
    made = Sample(store, "odd", SPACE, y, ("a", "b")).create()
    made.add(drawn_params(3), [0.5, 0.6, 0.9])
    facts = read_facts(store, "odd")
    assert "Without" not in words(headline_part(facts))
    corrected = replace(facts.result.corrected, n_apart=2)
    result = replace(facts.result, corrected=corrected)
    said = words(headline_part(replace(facts, result=result)))
    assert "Without 2 trials whose stored predictions do not give" in said

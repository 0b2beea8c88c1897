"""What a report says of folds and fits, checked by hand."""

from __future__ import annotations

import re

import numpy as np
from report_samples import Sample

from hpo.report.study_facts import read_facts
from hpo.report.training_parts import folds_part
from hpo.space import Float, Space
from hpo.store import Store


def test_what_folds_share_is_told_of_the_folds_of_one_trial(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'hpo.db'}")
    made = Sample(store, "spread", Space(p=Float(1, 10)), n_folds=3).create()
    # Trials differ by far more than folds do, which is no part of the share.
    params = [{"p": 1.0 + i} for i in range(8)]
    made.add(params, np.linspace(0, 80, 8), curves=False)
    facts = read_facts(store, "spread")
    [part] = folds_part(facts, facts.result)
    share = re.search(
        r"Of what differs between the folds of one of the better trials, (\d+) % is "
        "shared by all of them",
        part.body,
    )
    better = np.array([[f.score for f in t.folds] for t in store.trials("spread")[4:]])
    store.close()
    of_folds = better - better.mean(axis=1, keepdims=True)
    rest = of_folds - of_folds.mean(axis=0)
    noise = (rest**2).sum() / 6
    shared = max(0.0, of_folds.mean(axis=0).var(ddof=1) - noise / 4)
    assert int(share[1]) == round(100 * shared / (shared + noise))
    assert "trials do" not in part.body
    assert "due to the trials" not in part.body

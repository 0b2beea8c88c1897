"""The study of heater.yaml from Python: in memory first, then kept in a file.

Run it: python studies/objective/optimize.py
"""

from heater import discomfort

import hpo

space = hpo.Space(
    p=hpo.Float(10, 10_000, log=True),
    i=hpo.Float(0.1, 1000, log=True),
    d=hpo.Float(10, 10_000, log=True),
)
how = {"trials": 40, "folds": 5, "direction": "minimize", "metric": "degrees"}

study = hpo.optimize(discomfort, space, **how)
print(f"best of {len(study.trials)} trials: {study.best_score:.3f} degrees")
print("with", study.best_params)

# With a store every fold is kept at once. Stop the script and run it again: what is
# done stays done. Here two processes work; the trials are the same.
stored = hpo.optimize(
    discomfort, space, **how, name="heater", store="sqlite:///heater.db", jobs=2
)
columns = ["number", "mean_test_score", "std_test_score", "rank_test_score"]
table = stored.to_frame().sort_values("rank_test_score")
print(table[columns].head().to_string(index=False))

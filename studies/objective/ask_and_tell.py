"""Ask for params, try them yourself, tell how it went.

For whatever cannot be a function that hpo calls: an experiment in a laboratory, a
program on another machine, a person who tastes soup. Here a formula stands for it.

Run it: python studies/objective/ask_and_tell.py
"""

import hpo


def taste(params):
    """Return the grade of a soup, at most 10."""
    return 10 - (params["salt"] - 6) ** 2 - abs(params["minutes"] - 25) / 5


space = hpo.Space(salt=hpo.Float(0, 20), minutes=hpo.Int(5, 60))  # salt in g per litre

with hpo.create_study(space, metric="grade") as study:
    for _ in range(20):
        trial = study.ask()
        study.tell(trial, taste(trial.params))

print(f"best grade: {study.best_score:.2f}")
print("with", study.best_params)

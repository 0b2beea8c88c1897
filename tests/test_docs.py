"""Documentation that names what there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from hpo.models.vocabulary import KERAS, VOCABULARY
from hpo.spec import StudySpec, read_study

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
STUDY_FILE = (ROOT / "docs" / "study-file.md").read_text()


def vocabulary_row(entry) -> str:
    values = {
        "bool": "true, false",
        "choice": ", ".join(entry.choices_of(KERAS)),
    }.get(entry.kind, _range(entry))
    default = {True: "true", False: "false", None: "none"}.get(
        entry.default if isinstance(entry.default, bool | None) else "", entry.default
    )
    both = "both" if len(entry.families) > 1 else "keras-mlp"
    return f"| `{entry.name}` | {values} | {default} | {both} | {entry.meaning} |"


def _range(entry) -> str:
    low = f"{'above' if entry.low_open else 'from'} {entry.low}"
    if entry.high is None:
        return low
    return f"{low} {'to below' if entry.high_open else 'to'} {entry.high}"


@pytest.mark.parametrize("entry", VOCABULARY, ids=lambda entry: entry.name)
def test_every_hyperparameter_is_documented_as_it_is(entry):
    assert vocabulary_row(entry) in STUDY_FILE


def keys_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


@pytest.mark.parametrize("section", ["data", "search", "evaluation", "engine"])
def test_every_key_of_the_study_file_is_documented(section):
    annotation = StudySpec.model_fields[section].annotation
    documented = re.findall(rf"^\| `{section}\.(\w+)` \|", STUDY_FILE, re.MULTILINE)
    assert documented == keys_of(annotation)


@pytest.mark.parametrize("file", sorted((ROOT / "studies").glob("*.yaml")), ids=str)
def test_every_example_is_a_sound_study_that_says_what_it_shows(file):
    assert read_study(file).name == file.stem
    comment = file.read_text().splitlines()[:6]
    assert comment[0].startswith("# Shows: ")
    assert any("took" in line.lower() for line in comment)


def test_the_readme_has_two_commands_of_one_line():
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 2
    assert all(block.count("\n") == 1 for block in blocks)
    assert all(block.startswith("python3 -m venv .venv && ") for block in blocks)


def test_every_command_is_in_the_readme():
    from hpo.cli.app import app

    names = {c.name or c.callback.__name__ for c in app.registered_commands}
    assert names == set(re.findall(r"^\| `hpo (\w+)", README, re.MULTILINE))


def test_links_between_documents_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"

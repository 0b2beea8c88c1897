"""Documentation that names what there is, and nothing else."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest
from command_folder import Folder
from pydantic import BaseModel

from hpo.cli import exit_codes
from hpo.data import load
from hpo.errors import SpecError
from hpo.models import FAMILIES, get_family
from hpo.models.builder_info import DataInfo
from hpo.models.vocabulary import KERAS, VOCABULARY
from hpo.spec import StudySpec, read_study
from hpo.study.editing import FREE
from hpo.user_code import Home

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


def made_pages(monkeypatch) -> dict[Path, str]:
    """Return the pages as docs/generate.py would write them now."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    return import_module("generate").pages()


def test_pages_made_from_the_code_are_as_the_code_is(monkeypatch):
    stale = [
        str(path.relative_to(ROOT))
        for path, text in made_pages(monkeypatch).items()
        if not path.exists() or path.read_text() != text
    ]
    assert not stale, f"run python docs/generate.py: {', '.join(stale)}"


def test_no_page_is_left_of_what_there_is_no_more(monkeypatch):
    made = made_pages(monkeypatch)
    there = [*(ROOT / "docs/commands").iterdir(), *(ROOT / "docs/families").iterdir()]
    assert set(there) <= set(made)
    guides = {ROOT / "docs" / page for page, _ in import_module("texts").GUIDES}
    assert set(ROOT.glob("docs/*.md")) - set(made) == guides


def test_every_family_has_a_page_and_each_range_is_worded_in_full(monkeypatch):
    pages = made_pages(monkeypatch)
    families = {path.stem for path in pages if path.parent.name == "families"}
    assert families == {*FAMILIES, "sklearn.class", "builder"}
    assert "from 0 to 4294967295" in pages[ROOT / "docs/families/keras-mlp.md"]
    # By hand from what the families say of themselves.
    for family, scale in [("sklearn-mlp", "standard"), ("builder", "none")]:
        page = pages[ROOT / "docs/families" / f"{family}.md"]
        assert f"(regression only) | {scale} | scaling of the targets" in page


def blocks_of(page: Path, kind: str) -> list[str]:
    found = re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(), re.M | re.DOTALL)
    return [
        block for block in found if kind != "yaml" or re.search("^name: ", block, re.M)
    ]


PAGES = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if blocks_of(page, "yaml")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_study_on_a_page_is_sound(page, tmp_path):
    for code in blocks_of(page, "python"):
        if named := re.match(r"# (\w+\.py)\n", code):
            (tmp_path / named[1]).write_text(code)
    studies = blocks_of(page, "yaml")
    assert studies
    for text in studies:
        file = tmp_path / "study.yaml"
        file.write_text(text)
        spec = read_study(file)
        task = spec.task or "classification"
        assert spec.space.names or "keras_tuner" in text
        assert (
            get_family(spec.model, home=Home(tmp_path)).problems(spec.space, task) == []
        )


def test_the_mistake_in_the_readme_is_worded_as_it_is_shown(tmp_path):
    (study,) = blocks_of(ROOT / "README.md", "yaml")
    file = tmp_path / "weather.yaml"
    file.write_text(study.replace("optimizer: [adam, ", "optimizer: [adamm, "))
    (shown,) = re.findall(r"^weather\.yaml:.*$", README, re.MULTILINE)
    with pytest.raises(SpecError, match="did you mean 'adam'") as refused:
        read_study(file)
    assert str(refused.value).replace(str(file), file.name) == shown


@pytest.mark.slow
@pytest.mark.parametrize(
    "study", ["forest.yaml", pytest.param("digits-own.yaml", marks=pytest.mark.keras)]
)
def test_networks_of_the_page_about_them_can_be_built(study, tmp_path):
    page = ROOT / "docs" / "your-own-network.md"
    for text in [*blocks_of(page, "python"), *blocks_of(page, "yaml")]:
        (tmp_path / re.match(r"# (\S+)\n", text)[1]).write_text(text)
    Folder(tmp_path).hpo("check", study)


def test_everything_that_a_builder_is_told_is_documented():
    text = (ROOT / "docs" / "your-own-network.md").read_text()
    told = {
        name for name in dir(DataInfo) if isinstance(getattr(DataInfo, name), property)
    }
    told |= {field.name for field in fields(DataInfo)}
    assert told == set(re.findall(r"^\| `data\.(\w+)` \|", text, re.MULTILINE))


def test_every_exit_code_is_in_the_readme_and_on_every_page(monkeypatch):
    codes = {0, *(v for n, v in vars(exit_codes).items() if n.isupper())}
    assert codes == {int(c) for c in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    made_pages(monkeypatch)
    words = import_module("texts").EXIT_CODES.split("Results")[0]
    assert codes == {int(number) for number in re.findall(r"\d+", words)}


def documented_sources() -> list[str]:
    table = STUDY_FILE.split("| source | what it is |")[1].split("\n\n")[0]
    return re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)


@pytest.mark.parametrize("source", documented_sources())
def test_every_documented_source_is_one(source, tmp_path):
    (tmp_path / "tables.py").write_text("def load(year=0): ...\n")
    needs_none = "sklearn" in source or source == "none"
    target = "" if needs_none else "  target: y\n"
    model = "{objective: 'tables:load'}" if source == "none" else "keras-mlp"
    file = tmp_path / "study.yaml"
    file.write_text(
        f"name: a\ndata:\n  source: {source}\n{target}"
        f"task: classification\nmodel: {model}\nspace: {{epochs: 1}}\n"
    )
    spec = read_study(file)
    assert spec.data.name in source
    if spec.data.name.startswith("sklearn."):
        assert load(spec.data.name, options=spec.data.options).n_rows > 0


def test_what_may_be_edited_is_documented():
    section = STUDY_FILE.split("## Changing the file")[1]
    for key in FREE:
        assert key.rpartition(".")[2] in section.split("What would make")[0]


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
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"

"""Write the pages of the commands and of the families from the code itself.

``python docs/generate.py`` writes docs/commands and docs/families anew. A test compares
what it would write with what is there, so that the pages cannot drift from the code.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from texts import (
    EXAMPLES,
    EXIT_CODES,
    FAMILIES,
    FAMILY_EXAMPLES,
    FAMILY_WORDS,
    GUIDES,
    OF_HYPERPARAMETERS,
    SELECTION,
)

DOCS = Path(__file__).parent


def pages() -> dict[Path, str]:
    """Return the text of every page by its path."""
    made = {DOCS / "commands" / f"{n}.md": t for n, t in command_pages().items()}
    made |= {DOCS / "families" / f"{n}.md": family_page(n) for n in FAMILIES}
    made[DOCS / "README.md"] = index()
    return made


def index() -> str:
    """Return the page that leads to all others."""
    commands = {name: _first_line(command) for name, command in commands_of_app()}
    parts = [
        "# Documentation",
        "\n".join(f"- [{_title(page)}]({page}): {what}" for page, what in GUIDES),
        "## Commands",
        "\n".join(f"- [hpo {n}](commands/{n}.md): {w}" for n, w in commands.items()),
        "## Families of models",
        "\n".join(
            f"- [{n}](families/{n}.md): {FAMILY_WORDS[n].splitlines()[0]}"
            for n in FAMILIES
        ),
    ]
    return _page(parts, "docs/texts.py and hpo/cli/app.py")


def _first_line(command: Any) -> str:
    return str(command.help).strip().splitlines()[0]


def _title(page: str) -> str:
    return (DOCS / page).read_text().splitlines()[0].removeprefix("# ")


def commands_of_app() -> list[tuple[str, Any]]:
    """Return the commands by their names."""
    import typer

    from hpo.cli.app import app

    group: Any = typer.main.get_command(app)
    context = group.make_context("hpo", [], resilient_parsing=True)
    names = group.list_commands(context)
    return [(name, group.get_command(context, name)) for name in names]


def command_pages() -> dict[str, str]:
    """Return the page of every command by its name."""
    return {name: command_page(name, command) for name, command in commands_of_app()}


def command_page(name: str, command: Any) -> str:
    """Word one command: usage, what it does, its arguments and options."""
    words = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join(
        ["hpo", name, *("[OPTIONS]" for _ in options[:1]), *map(_argument, words)]
    )
    parts = [f"# hpo {name}", f"```\n{usage}\n```", inspect.cleandoc(command.help)]
    if words:
        rows = [(f"`{_argument(word)}`", word.help or "") for word in words]
        parts.append(_table(("argument", "means"), rows))
    rows3 = [
        (" ".join(f"`{o}`" for o in option.opts), _default(option), option.help or "")
        for option in options
        if "--help" not in option.opts
    ]
    if rows3:
        parts.append(_table(("option", "default", "means"), rows3))
    parts.append("```sh\n" + "\n".join(EXAMPLES[name]) + "\n```")
    parts.append(EXIT_CODES)
    return _page(parts, "hpo/cli/app.py")


def _argument(argument: Any) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _default(option: Any) -> str:
    if option.envvar:
        variable = f"`${option.envvar}`"
        usual = option.default
        return variable if usual is None else f"{variable}, else `{usual}`"
    if option.is_flag:
        return "no"
    if option.default in (None, (), []):
        return ""
    return f"`{getattr(option.default, 'value', option.default)}`"


def family_page(name: str) -> str:
    """Word one family: what it is, its hyperparameters, and an example."""
    parts = [f"# {name}", FAMILY_WORDS[name]]
    parts += ["## Hyperparameters", OF_HYPERPARAMETERS[name], _hyperparameters(name)]
    parts += [SELECTION, "## Example", FAMILY_EXAMPLES[name]]
    return _page(parts, f"{FAMILIES[name]} and docs/texts.py")


def _hyperparameters(family: str) -> str:
    """Return the table of the hyperparameters that hpo itself describes."""
    usual = defaults(family)
    rows = [
        (f"`{e.name}`", values(e, family), _word(usual.get(e.name)), e.meaning)
        for e in entries(family)
    ]
    return _table(("hyperparameter", "values", "default", "means"), rows)


def entries(family: str) -> Iterator[Any]:
    """Yield the entries of the vocabulary that a family has."""
    from hpo.models.builder import OWN_NAMES
    from hpo.models.vocabulary import PIPELINE, VOCABULARY

    own = {"sklearn.class": PIPELINE, "builder": OWN_NAMES}
    for entry in VOCABULARY:
        if entry.name in own[family] if family in own else family in entry.families:
            yield entry


def defaults(family: str) -> dict[str, Any]:
    """Return the defaults of a family, of both tasks, by name."""
    from hpo.models import get_family

    names = {
        # A class without hyperparameters of these names.
        "sklearn.class": "sklearn.neighbors.KNeighborsRegressor",
        "builder": "network:build",
    }
    made = get_family(names.get(family, family))
    return {**made.defaults("classification"), **made.defaults("regression")}


def values(entry: Any, family: str) -> str:
    """Word the values that an entry takes."""
    from hpo.models.vocabulary import KERAS

    if entry.kind == "bool":
        words = "true, false"
    elif entry.kind == "choice":
        words = ", ".join(entry.choices_of(KERAS if family == "builder" else family))
    else:
        words = ("whole numbers " if entry.kind == "int" else "") + _range(entry)
    if entry.optional:
        words += ", or null"
    return f"{words} ({entry.task} only)" if entry.task else words


def _range(entry: Any) -> str:
    if entry.low is None:
        return "any number"
    low = f"{'above' if entry.low_open else 'from'} {entry.low}"
    if entry.high is None:
        return low
    return f"{low} to {'below ' if entry.high_open else ''}{entry.high}"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("|", "\\|"))


def _page(parts: list[str], source: str) -> str:
    made = f"<!-- Made by docs/generate.py from {source}; edit that, then run it. -->"
    return "\n\n".join([made, *parts]) + "\n"


if __name__ == "__main__":
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

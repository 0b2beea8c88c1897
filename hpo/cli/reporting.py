"""`hpo report`: one HTML file about a study."""

from __future__ import annotations

from pathlib import Path

from hpo.cli.console import out, say
from hpo.cli.listing import open_store


def write_report(name: str, output: Path | None, store_url: str) -> None:
    """Write the report of a study and say where it is.

    Args:
        name: Of the study.
        output: File to write; None for one of the study's name in this folder.
        store_url: Where the study is.

    Raises:
        StudyNotFoundError: No study has this name.
        StoreError: The store cannot be opened.
        StudyError: The file cannot be written.
    """
    store = open_store(store_url)
    store.study(name)
    # Imported here: it brings the plots, which take a second to import.
    from hpo.report.study_report import report_file

    file = report_file(store, name, output).absolute()
    out().print(str(file), soft_wrap=True)
    say(f"open it in a browser: {file.as_uri()}")

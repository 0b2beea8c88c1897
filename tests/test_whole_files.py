"""A file is written whole or not at all, and what is no file of its own stays."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from hpo.whole_files import start_of, whole_file


def write(file, text="new"):
    with whole_file(file) as opened:
        opened.write(text)


def test_a_file_is_whole_or_as_it_was_and_nothing_lies_beside(tmp_path):
    file = tmp_path / "a.csv"
    write(file, "é\r\nb\n")
    assert file.read_bytes() == "é\r\nb\n".encode()
    with pytest.raises(UnicodeEncodeError, match="surrogates"):
        write(file, "half\ud800")
    assert file.read_bytes() == "é\r\nb\n".encode()
    with pytest.raises(OSError, match="No such file"):
        write(tmp_path / "none" / "a.csv")
    assert list(tmp_path.iterdir()) == [file]


def test_others_may_read_it_as_they_may_any_file(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "a.csv")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o640


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path, there):
    (tmp_path / "far").mkdir()
    far, link = tmp_path / "far" / "a.csv", tmp_path / "link.csv"
    if there:
        far.write_text("old")
    link.symlink_to("far/a.csv")
    write(link)
    assert link.is_symlink()
    assert far.read_text() == "new"


def test_links_in_a_circle_are_written_over(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    write(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "new"


def test_a_pipe_stays_and_is_written_to_but_never_read(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    assert start_of(pipe) == b""
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()), daemon=True)
    reader.start()
    write(pipe)
    reader.join(20)
    assert got == ["new"]
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_how_files_begin(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 99)
    assert start_of(tmp_path / "a", 3) == b"xxx"
    assert start_of(tmp_path / "none") == b""
    assert start_of(tmp_path) == b""

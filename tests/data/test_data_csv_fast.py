"""Large files are read another way, to the same result or not at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpo.data import fingerprint, load
from hpo.data.csv_fast import FAST_FROM_BYTES, read_fast
from hpo.data.csv_file import read_csv, read_head, read_slowly
from hpo.data.tables import to_dataset
from hpo.data.wish import Wish
from hpo.data.words import Rows
from hpo.errors import DataError
from hpo.user_code import Home

WISH = Wish("t.csv", targets=("y",))


def outcome(table):
    """The data set that a table makes, or the words of its refusal."""
    try:
        dataset = to_dataset(table, WISH)
    except DataError as error:
        return str(error)
    return fingerprint(dataset), dataset.notes


def both(content):
    """What the patient and the fast reader make of a file; None if one has no say."""
    try:
        head = read_head(content, "t.csv")
    except DataError:
        return None, None
    fast = read_fast(content, head, ["y"])
    try:
        slow = read_slowly(content, head, "t.csv")
    except DataError as error:
        return str(error), fast
    if fast is None:
        return outcome(slow), None
    columns, lines = fast
    assert list(lines) == slow.rows.numbers.tolist()
    quick = replace(slow, read=columns.__getitem__, rows=Rows.of_lines(lines))
    return outcome(slow), outcome(quick)


@pytest.mark.parametrize(
    "content",
    [
        "a,b,y\n1,p,u\n2.5,q,v\n-3e2,p,u\n",
        "a;b;y\n1;p;u\n2;q;v\n3;p;u\n",
        "a\ty\r\n1\tu\r\n2\tv\r\n3\tu\r\n",
        "\ufeffa,y\n1,u\n2,v\n3,u",
        "a,y\n1,u\n2,v\n3,u\n\n\n",
        'a,"b,c",y\n1,"p,q",u\n2,"",v\n3,"p,q","u"\n',
        "a,b,y\n1,,u\n?,q,v\nNA,nan,u\n-nan, p ,v\n",
        "a,b,y\n+1,true,u\n 2 ,false,v\n1e5,true,u\n",
        "a,b,y\né1,é,u\né2,ü,v\né1,ü,u\n",
        "a,y\n1,007\n2,7\n3,007\n4,7\n",
        "id,y\n9007199254740993,9007199254740993\n3,9007199254740992\n"
        "4,9007199254740992\n5,9007199254740993\n",
    ],
    ids=["plain", "semicolon", "tab", "bom", "blank end", "quotes", "missing", "signs",
         "accents", "zeros", "large"],
)  # fmt: skip
def test_a_plain_file_is_read_fast_to_the_same_data(content):
    slow, fast = both(content.encode())
    assert isinstance(slow, tuple)
    assert fast == slow


@pytest.mark.parametrize(
    "content",
    [
        "a,y\n1,u\n\n2,v\n",
        "a,y\r1,u\r2,v\r",
        'a,y\n"1\n",u\n2,v\n',
        'a,y\n"p ""q""",u\n2,v\n',
        'a,y\n "p",u\n2,v\n',
        'a,y\np"q",u\n2,v\n',
        "a,y\n1,u\n2,v,3\n",
        "a,y\n1,u\n2\n",
        "a,y\n1,u\n  \n2,v\n",
        "a,y\n1,u\ninf,v\n",
        "a,y\n1,u\n1e999,v\n",
        "a,y\n1,u\n" + "2,v\n" * 600 + "NAN,v\n",
        "a,y\n1,u\n" + "2,v\n" * 600 + "1_0,v\n",
        "a,y\n1,u\n" + "2,v\n" * 600 + "p,v\n",
        "a,y\n1,u\n" + "2,v\n" * 600 + "true,v\n",
        "a,y\np,u\n" + "q,v\n" * 600 + "x" * 140_000 + ",u\n",
        "y\n1\n2\n",
        "a,y\n",
    ],
)
def test_a_file_that_is_not_plain_is_left_to_the_patient_reader(content):
    _, fast = both(content.encode())
    assert fast is None


CELLS = ["0", "1", "-2.5", "1e3", ".5", "+7", " 3", "1e-320", "9" * 25, "", "NA", "nan",
         "NAN", "inf", "p", " q ", "é", '"p"', '"p,q"', '""', '"', 'p"', "true", "1,5",
         "2024-01-31", "\x85", "\u2028", "\t", "1_0", "\uff11"]  # fmt: skip
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r", "\n\n"])


@settings(max_examples=400, deadline=None)
@given(data=st.data(), n_rows=st.integers(1, 6), separator=st.sampled_from(",;\t"))
def test_both_readers_agree_on_any_cells(data, n_rows, separator):
    kinds = st.sampled_from([CELLS[:9], CELLS[:13], CELLS[9:], CELLS, ["u", "v"]])
    columns = [
        data.draw(st.lists(st.sampled_from(cells), min_size=n_rows, max_size=n_rows))
        for cells in data.draw(st.tuples(kinds, kinds, st.just(["u", "v", "1", ""])))
    ]
    end = data.draw(ENDS)
    rows = [("a", "b", "y"), *zip(*columns, strict=True)]
    lines = [separator.join(row) for row in rows]
    content = (end.join(lines) + data.draw(st.sampled_from(["", end]))).encode()
    slow, fast = both(content)
    assert fast is None or fast == slow


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet='ay1,2;"\n\r\t u.', max_size=40))
@example(text='"1",u\n"2",v\n')
@example(text='1,"u"\n2,v"\n')
def test_both_readers_agree_on_any_text(text):
    slow, fast = both(f"a,y\n{text}".encode())
    assert fast is None or fast == slow


def test_a_large_file_is_read_as_pandas_wrote_it(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(20_000, 4)) * 1e-3, columns=list("abcd"))
    frame["a"] = frame["a"].mask(rng.random(20_000) < 0.1)
    frame["sky"] = rng.choice(["fog", "sun"], 20_000)
    frame["wet"] = rng.random(20_000) < 0.5
    frame["y"] = rng.choice(["u", "v"], 20_000)
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert (tmp_path / "t.csv").stat().st_size > FAST_FROM_BYTES
    read = read_csv(tmp_path / "t.csv", "t.csv", ["y"])
    assert isinstance(read.read("b").cells, np.ndarray)  # so it was read fast
    dataset = load("t.csv", target="y", home=Home(tmp_path))
    for name in "abcd":
        np.testing.assert_array_equal(dataset.X[name], frame[name])
    assert dataset.X["sky"].tolist() == frame["sky"].tolist()
    assert dataset.X["wet"].tolist() == frame["wet"].astype(float).tolist()
    assert dataset.classes[dataset.y].tolist() == frame["y"].tolist()


def test_a_mistake_in_a_large_file_is_named_with_its_line(tmp_path):
    rows = [f"{index}.5,{'uv'[index % 2]}" for index in range(150_000)]
    rows[140_000] = "x,u"
    (tmp_path / "t.csv").write_text("\n".join(["a,y", *rows]))
    assert (tmp_path / "t.csv").stat().st_size > FAST_FROM_BYTES
    with pytest.raises(DataError, match=r"cannot be read as one: 'x' \(line 140002\)"):
        load("t.csv", target="y", home=Home(tmp_path))


def test_rows_without_a_target_are_named_in_a_large_file_too(tmp_path):
    rows = [f"{index}.5,{'uv'[index % 2]}" for index in range(150_000)]
    rows[9] = "1,NA"
    (tmp_path / "t.csv").write_text("\n".join(["a,y", *rows]))
    notes = load("t.csv", target="y", home=Home(tmp_path)).notes
    assert any("1 row left out" in n and "(first: line 11, 'NA')" in n for n in notes)

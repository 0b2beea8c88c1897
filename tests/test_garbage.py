"""When Python looks for garbage, and that it does so afterwards."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from hpo.garbage import not_looked_for


class Ring:
    """Refers to itself, so that only looking for garbage finds that it is."""

    def __init__(self):
        self.own = self


@pytest.fixture
def thawed():
    """Give back what a test froze."""
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("thawed")
def test_what_the_block_makes_stays_and_what_comes_later_is_found():
    with not_looked_for():
        assert not gc.isenabled()
        made = weakref.ref(Ring())
        with not_looked_for():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    later = weakref.ref(Ring())
    gc.collect()
    assert made() is not None
    assert later() is None


@pytest.mark.usefixtures("thawed")
def test_an_error_in_the_block_leaves_it_as_it_was():
    with pytest.raises(ValueError, match="x"), not_looked_for():
        raise ValueError("x")
    assert gc.isenabled()


CODE = """
import atexit, gc
from hpo.garbage import RARELY, rarely_looked_for
atexit.register(lambda: print(gc.get_freeze_count()))
rarely_looked_for()
rarely_looked_for()
assert gc.isenabled()
assert gc.get_threshold() == RARELY
assert gc.get_freeze_count() == 0
atexit.register(lambda: print(gc.get_freeze_count()))
"""


def test_at_the_end_of_a_process_nothing_is_taken_apart():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    assert before == 0
    assert after > 1000

"""Modules that are imported along with others, and that nobody may ask for."""

from __future__ import annotations

import importlib.util
import sys
from functools import partial

import pytest

from hpo.engines.local import LocalEngine
from hpo.evaluation import preload
from hpo.models.put_off import put_off
from hpo.user_code import Home


@pytest.fixture
def seldom(tmp_path, monkeypatch):
    """A package that notes when it is imported."""
    folder = tmp_path / "seldom"
    folder.mkdir()
    noted = tmp_path / "noted"
    (folder / "__init__.py").write_text(
        f"import pathlib\npathlib.Path({str(noted)!r}).touch()\nclass Thing: pass\n"
        "def double(x, *, plus=0): return 2 * x + plus\n"
    )
    (folder / "inner.py").write_text("def triple(x): return 3 * x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda: noted.exists()
    for name in [n for n in sys.modules if n.partition(".")[0] == "seldom"]:
        del sys.modules[name]


def test_a_module_is_imported_when_something_in_it_is_called(seldom):
    with put_off("seldom", "seldom.inner"):
        import seldom as whole
        import seldom.inner as inner
        from seldom import double

        assert importlib.util.find_spec("seldom") is not None
        assert not isinstance(3, whole.Thing)
    assert not seldom()
    assert "seldom" not in sys.modules
    assert not isinstance(3, whole.Thing)
    assert double(4, plus=1) == 9
    assert seldom()
    assert inner.triple(2) == whole.inner.triple(2) == 6
    import seldom as real

    assert isinstance(real.Thing(), whole.Thing)
    assert not isinstance(3, whole.Thing)


def test_what_is_loaded_or_not_installed_is_left_alone(seldom):
    import seldom as before

    with put_off("seldom", "not_installed_anywhere"):
        import seldom as during

        with pytest.raises(ModuleNotFoundError):
            import not_installed_anywhere  # noqa: F401
    assert during is before is sys.modules["seldom"]


def test_an_error_in_the_block_leaves_no_stand_in(seldom):
    with pytest.raises(ZeroDivisionError), put_off("seldom"):
        raise ZeroDivisionError
    assert "seldom" not in sys.modules


def test_a_worker_imports_for_keras_what_training_takes(tmp_path):
    ahead = partial(preload, "keras-mlp", Home())
    with LocalEngine(_make_runner, preload=ahead, n_workers=1) as engine:
        assert engine.submit(("loaded",)).result(120) == ["tensorflow"]
        path = str(tmp_path / "gallery.png")
        assert engine.submit(("draw", path)).result(120) == ["matplotlib", "tensorflow"]
    assert (tmp_path / "gallery.png").read_bytes().startswith(b"\x89PNG")


def _make_runner():
    def run(task):
        if task[0] == "draw":
            import keras
            import numpy as np

            images = np.zeros((4, 8, 8, 3), "uint8")
            draw = keras.visualization.plot_image_gallery
            draw(images, value_range=(0, 255), path=task[1])
        return sorted({"matplotlib", "jax", "tensorflow"} & {*sys.modules})

    return run

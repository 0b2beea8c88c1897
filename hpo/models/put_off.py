"""Modules that a library imports for what it may never be asked to do.

Keras imports matplotlib to draw galleries of images, TensorFlow imports JAX to convert
its functions; training does neither. Here they are imported when they are used.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any


@contextmanager
def put_off(*names: str) -> Iterator[None]:
    """Give who imports certain modules in the block something that stands for them.

    It imports the real one when something in it is called. No other thread should
    import meanwhile, as it would be given the same.

    Args:
        names: Of modules, each after the package that it is in. Those that are loaded
            already or not installed are left alone.
    """
    absent = {
        name: spec
        for name in names
        if name not in sys.modules and (spec := find_spec(name.partition(".")[0]))
    }
    for name, spec in absent.items():
        sys.modules[name] = _StandIn(name)
        sys.modules[name].__spec__ = spec  # whether it is installed may be asked
    try:
        yield
    finally:
        for name in absent:
            if isinstance(sys.modules.get(name), _StandIn):
                del sys.modules[name]


class _StandIn(ModuleType):
    """Stands for a module, or for something in one, until it is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _StandIn(f"{self.__name__}.{name}")

    def __call__(self, *args: Any, **options: Any) -> Any:
        return pkgutil.resolve_name(self.__name__)(*args, **options)

    def __instancecheck__(self, instance: object) -> bool:
        loaded = sys.modules.get(self.__name__.partition(".")[0])
        if loaded is None or isinstance(loaded, _StandIn):
            return False  # there is nothing yet that could be one
        return isinstance(instance, pkgutil.resolve_name(self.__name__))

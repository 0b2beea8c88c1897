"""A function compiled by JAX that does not keep every program that it ever needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

MAX_FORMS = 24
"""Programs of one function kept; each takes some MB. Those on disk stay."""


LITTLE_EFFORT = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
"""Options of XLA that compile in a third of the time what then runs slower."""


def jitted_for_little_use(function: Callable[..., Any]) -> Any:
    """Return a function compiled by JAX that is to be called a few times only.

    The options may go with a version of XLA; then it takes its usual time.
    """
    import jax

    known = LITTLE_EFFORT if _are_known() else {}
    return jax.jit(function, compiler_options=known)


@cache
def _are_known() -> bool:
    import jax

    try:
        jax.jit(lambda: 0, compiler_options=LITTLE_EFFORT)()
    except Exception:  # whatever this version calls it
        return False
    return True


class Jitted:
    """A function that JAX compiles for each form of its arguments.

    Args:
        function: Of trees of arrays.
        limit: For how many forms programs are kept; then all of them go.
    """

    def __init__(self, function: Callable[..., Any], limit: int = MAX_FORMS) -> None:
        import jax

        self._jitted: Any = jax.jit(function)
        self._limit = limit
        self._forms: set[tuple[Any, ...]] = set()

    def __len__(self) -> int:
        """Return for how many forms there are programs."""
        return len(self._forms)

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function returns."""
        import jax
        import numpy as np

        leaves, tree = jax.tree.flatten(arguments)
        form = (tree, *((np.shape(leaf), str(leaf.dtype)) for leaf in leaves))
        if form not in self._forms:
            if len(self._forms) >= self._limit:
                self._jitted.clear_cache()
                self._forms.clear()
            self._forms.add(form)
        return self._jitted(*arguments)

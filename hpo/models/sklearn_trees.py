"""Whether the nodes of scikit-learn's trees, read from a file, point at each other.

Its compiled code follows the nodes without a look at where they lead: a file that was
tampered with could make it read outside of its memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TREES = (
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
"""Types whose nodes are checked here, so that a file may hold them."""


UNCHECKED = (
    "sklearn.ensemble._forest",
    "sklearn.ensemble._gb",
    "sklearn.ensemble._iforest",
)
"""Modules of ensembles that give rows to their trees without a check."""


def check_trees(fitted: Any) -> None:
    """Check every tree inside of what has been loaded.

    Raises:
        ValueError: A node leads outside of its tree, or back, or to a feature that
            there is not.
    """
    for n_features, tree in _trees(fitted, None, 0, set()):
        if hasattr(tree, "nodes"):
            nodes = tree.nodes
            inner = ~nodes["is_leaf"].astype(bool)
            left, right = nodes["left"][inner], nodes["right"][inner]
            feature, n_nodes = nodes["feature_idx"][inner], len(nodes)
            _check_bits(nodes[inner], tree)
        else:
            inner = tree.children_left != -1
            left, right = tree.children_left[inner], tree.children_right[inner]
            feature, n_nodes = tree.feature[inner], tree.node_count
        parents = inner.nonzero()[0]
        for children in (left, right):
            # A child comes after its parent, in however a tree is grown: no circles.
            if ((children <= parents) | (children >= n_nodes)).any():
                raise ValueError("a node of a tree leads outside of it, or back")
        if ((feature < 0) | (feature >= n_features)).any() or n_nodes == 0:
            raise ValueError("a node of a tree asks for a feature that there is not")


def _check_bits(nodes: Any, tree: Any) -> None:
    """Check that nodes for categories have the rows of bits that they name."""
    categories = nodes[nodes["is_categorical"].astype(bool)]["bitset_idx"]
    n_rows = min(len(tree.binned_left_cat_bitsets), len(tree.raw_left_cat_bitsets))
    if (categories >= n_rows).any():
        raise ValueError("a node of a tree asks for categories that there are not")


def _trees(
    found: Any, owner: Any, n_features: int, seen: set[int]
) -> Iterator[tuple[int, Any]]:
    """Yield every tree with the number of features that its rows are sure to have.

    An estimator refuses rows of another width than its own, and so do those inside of
    it, but for ensembles that hand their rows to compiled code themselves: there what
    a tree says of its width is never compared with the rows.
    """
    if id(found) in seen or isinstance(found, str | bytes | int | float):
        return
    seen.add(id(found))
    kind = f"{type(found).__module__}.{type(found).__name__}"
    if kind in TREES:
        yield n_features, found
        return
    if hasattr(found, "n_features_in_"):
        own = int(found.n_features_in_)
        n_features = min(n_features, own) if _asks_nothing(owner) else own
        owner = found
    for part in parts_of(found):
        yield from _trees(part, owner, n_features, seen)


def _asks_nothing(owner: Any) -> bool:
    """Tell whether an ensemble gives rows to its trees without a check."""
    return type(owner).__module__ in UNCHECKED


def parts_of(found: Any) -> list[Any]:
    """Return what an object of scikit-learn's, or a container, is made of."""
    if isinstance(found, dict):
        return list(found.values())
    if isinstance(found, list | tuple | set):
        return list(found)
    if str(getattr(found, "dtype", "")) == "object":
        return list(found.ravel())
    return list(getattr(found, "__dict__", {}).values())

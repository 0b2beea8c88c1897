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


def check_trees(fitted: Any) -> None:
    """Check every tree inside of what has been loaded.

    Raises:
        ValueError: A node leads outside of its tree, or back, or to a feature that
            there is not.
    """
    for owner, tree in _trees(fitted, fitted, set()):
        if hasattr(tree, "nodes"):
            nodes = tree.nodes
            inner = ~nodes["is_leaf"].astype(bool)
            left, right = nodes["left"][inner], nodes["right"][inner]
            feature, n_nodes = nodes["feature_idx"][inner], len(nodes)
            _check_bits(nodes[inner], tree)
            n_features = getattr(owner, "n_features_in_", 0)
        else:
            inner = tree.children_left != -1
            left, right = tree.children_left[inner], tree.children_right[inner]
            feature, n_nodes = tree.feature[inner], tree.node_count
            n_features = tree.n_features
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


def _trees(found: Any, owner: Any, seen: set[int]) -> Iterator[tuple[Any, Any]]:
    """Yield every tree with the nearest estimator that it is in."""
    if id(found) in seen or isinstance(found, str | bytes | int | float):
        return
    seen.add(id(found))
    kind = f"{type(found).__module__}.{type(found).__name__}"
    if kind in TREES:
        yield owner, found
        return
    if hasattr(found, "n_features_in_"):
        owner = found
    for part in _parts(found):
        yield from _trees(part, owner, seen)


def _parts(found: Any) -> list[Any]:
    if isinstance(found, dict):
        return list(found.values())
    if isinstance(found, list | tuple | set):
        return list(found)
    if str(getattr(found, "dtype", "")) == "object":
        return list(found.ravel())
    return list(getattr(found, "__dict__", {}).values())

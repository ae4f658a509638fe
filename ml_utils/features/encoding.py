"""Categories as numbers: one column each, their order, how frequent they are, or a hash."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml_utils.errors import ParameterError
from ml_utils.features.categories import Categories, Lookup, Slots
from ml_utils.features.origins import Origin
from ml_utils.features.values import Coded
from ml_utils.words import MISSING, normal_form

ENCODINGS = ("auto", "onehot", "target", "ordinal", "frequency", "hashing")
ONE_HOT_LIMIT = 20  # categories; above it `auto` encodes by the target
RARE = 0.002  # share of rows below which a category joins the rare ones


def one_hot(name: str, known: Categories) -> tuple[Slots, list[Origin]]:
    """Give each category a column; those below 0.2 % of the rows share one, and so do unseen ones.

    As scikit-learn's OneHotEncoder with min_frequency=0.002, handle_unknown="infrequent_if_exist".
    """
    frequent = known.counts >= RARE * known.counts.sum()
    names = [value for value, often in zip(known.values, frequent, strict=True) if often]
    rare = len(names) if not frequent.all() else -1
    slot = np.full(len(known.values) + 1, rare)
    slot[:-1][frequent] = np.arange(len(names))
    shown = [*names, *(["(rare)"] if rare >= 0 else [])]
    return Slots(slot, len(shown)), [Origin(f"{name}={value}", name, "category", value) for value in shown]


def ordinal(name: str, known: Categories, order: Sequence[object] | None) -> tuple[Lookup, list[Origin]]:
    """Number the categories, in the order given or of the alphabet; −1 for missing and for what was not seen.

    As scikit-learn's OrdinalEncoder with unknown_value=-1, encoded_missing_value=-1.

    Raises
    ------
    ParameterError
        If the order lacks a category of the training rows.
    """
    present = [value for value in known.values if value != MISSING]
    ranks = {normal_form(value): i for i, value in enumerate(order if order is not None else present)}
    lacking = [value for value in present if normal_form(value) not in ranks]
    if lacking:
        raise ParameterError(
            f"orders.{name} lacks {lacking[0]!r}, which the table has. List every category, the lowest first."
        )
    table = [-1 if value == MISSING else ranks[normal_form(value)] for value in known.values]
    names = [str(value) for value in (order if order is not None else present)]
    shown = " < ".join(names) if len(names) <= 8 else f"{' < '.join(names[:7])} < …"
    return Lookup(np.array([[*table, -1]], dtype=float)), [Origin(name, name, "order", shown)]


def frequency(name: str, known: Categories) -> tuple[Lookup, list[Origin]]:
    """Give each category its share of the training rows, and 0 to what was not seen."""
    shares = known.counts / known.counts.sum()
    return Lookup(np.array([[*shares, 0.0]])), [Origin(name, name, "frequency")]


class Hashed(Lookup):
    """Numbers for each category; what was not seen is hashed when it comes."""

    def of(self, column: Coded, places: np.ndarray) -> np.ndarray:
        """Return the outputs of each distinct value, (width, n_distinct + 1)."""
        found = super().of(column, places)
        unseen = np.flatnonzero(places < 0)
        forms = [*(normal_form(column.distinct[i]) for i in unseen if i < len(column.distinct)), MISSING]
        found[:, unseen] = hashes(forms, self.width)[:, : len(unseen)]
        return found


def hashing(name: str, known: Categories, width: int) -> tuple[Lookup, list[Origin]]:
    """Give each category +1 or −1 in one of `width` columns, told by a hash of its spelling.

    As scikit-learn's FeatureHasher (Weinberger et al. 2009) on the normal form of the category.
    """
    table = hashes([normal_form(value) for value in known.values], width)
    origins = [Origin(f"{name}_hash_{i + 1}", name, "hash", f"{i + 1} of {width}") for i in range(width)]
    return Hashed(np.column_stack([table, np.zeros(width)])), origins


def hashes(forms: Sequence[str], width: int) -> np.ndarray:
    """Return the hash columns, (width, n_forms), of normal forms."""
    from sklearn.feature_extraction import FeatureHasher

    if not forms:
        return np.zeros((width, 0))
    return FeatureHasher(width, input_type="string").transform([[form] for form in forms]).toarray().T

"""From a source's rows to an immutable snapshot and splits; quality; a first look."""

from __future__ import annotations

from ml_utils.data.schema import check_table, features_and_target, groups, is_positive
from ml_utils.data.splits import (
    SPLITS,
    Snapshot,
    periods,
    read_split,
    read_truth,
    split_frame,
    take_snapshot,
    truth_for,
    truth_rows,
    write_splits,
)

__all__ = [
    "SPLITS",
    "Snapshot",
    "check_table",
    "features_and_target",
    "groups",
    "is_positive",
    "periods",
    "read_split",
    "read_truth",
    "split_frame",
    "take_snapshot",
    "truth_for",
    "truth_rows",
    "write_splits",
]

"""A first look at a table: distributions, empty cells, tests with effect sizes, redundancy, time."""

from __future__ import annotations

from ml_utils.exploration.by_value import target_by_value
from ml_utils.exploration.explore import Exploration, explore

__all__ = ["Exploration", "explore", "target_by_value"]

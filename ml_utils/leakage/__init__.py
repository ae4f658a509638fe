"""Columns and rows that know the answer: the leak sentinel, and what a leak would have promised."""

from __future__ import annotations

from ml_utils.leakage.comparison import LeakComparison, known_leak_comparisons, leak_comparison
from ml_utils.leakage.report import LeakFinding, LeakReport
from ml_utils.leakage.screening import screen_columns
from ml_utils.leakage.sentinel import LeakSentinel

__all__ = [
    "LeakComparison",
    "LeakFinding",
    "LeakReport",
    "LeakSentinel",
    "known_leak_comparisons",
    "leak_comparison",
    "screen_columns",
]

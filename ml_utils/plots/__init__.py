"""Figures: every function takes a result and returns a matplotlib figure. One module a step, one style."""

from __future__ import annotations

from ml_utils.plots.style import use_style

__all__ = ["use_style"]

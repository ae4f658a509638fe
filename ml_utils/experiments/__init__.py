"""ABTestAnalyzer: design, assignment, analysis, sequential looks, what it is worth."""

from __future__ import annotations

from ml_utils.experiments.analyzer import ABTestAnalyzer

__all__ = ["ABTestAnalyzer"]

"""What a score is made of, summed back to the columns of the table."""

from __future__ import annotations

from ml_utils.explanation.explain import Explanation, explain

__all__ = ["Explanation", "explain"]

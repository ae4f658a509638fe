"""What a score is made of, summed back to the columns of the table; and how it would change with them."""

from __future__ import annotations

from ml_utils.explanation.accumulated import accumulated_effects
from ml_utils.explanation.agreement import compare_methods
from ml_utils.explanation.counterfactuals import counterfactuals
from ml_utils.explanation.customers import explain_cases
from ml_utils.explanation.explain import Explanation, explain
from ml_utils.explanation.interactions import interactions
from ml_utils.explanation.known_effects import check_drivers, known_effects
from ml_utils.explanation.partial_dependence import decision_surface, partial_dependence
from ml_utils.explanation.permutation import permutation_importance
from ml_utils.explanation.surrogate import local_surrogates

__all__ = [
    "Explanation",
    "accumulated_effects",
    "check_drivers",
    "compare_methods",
    "counterfactuals",
    "decision_surface",
    "explain",
    "explain_cases",
    "interactions",
    "known_effects",
    "local_surrogates",
    "partial_dependence",
    "permutation_importance",
]

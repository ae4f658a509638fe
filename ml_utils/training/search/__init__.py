"""Cross-validated search: folds, the features of each, strategies, budgets, studies that can be resumed."""

from __future__ import annotations

from ml_utils.training.search.budget import Budget
from ml_utils.training.search.candidate_search import CandidateSearch
from ml_utils.training.search.fitting import fit_fold, out_of_fold, predict
from ml_utils.training.search.folds import SCHEMES, Fold, make_folds, search_rows
from ml_utils.training.search.options import SearchOptions
from ml_utils.training.search.samplers import STRATEGIES
from ml_utils.training.search.searching import search_all, search_key
from ml_utils.training.search.studies import open_storage, quiet_optuna
from ml_utils.training.search.tables import FoldTables

__all__ = [
    "SCHEMES",
    "STRATEGIES",
    "Budget",
    "CandidateSearch",
    "Fold",
    "FoldTables",
    "SearchOptions",
    "fit_fold",
    "make_folds",
    "open_storage",
    "out_of_fold",
    "predict",
    "quiet_optuna",
    "search_all",
    "search_key",
    "search_rows",
]

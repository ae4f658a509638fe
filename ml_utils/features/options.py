"""FeatureEngineer's options: plain values, held against what is known before anything is learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from sklearn.base import BaseEstimator

from ml_utils.errors import ParameterError, list_known
from ml_utils.features.encoding import ENCODINGS
from ml_utils.features.fences import check_outliers
from ml_utils.features.imputing import IMPUTATIONS
from ml_utils.features.scaling import SCALINGS
from ml_utils.features.selection import REDUCTIONS, SELECTIONS, needs_target

if TYPE_CHECKING:
    from ml_utils.problem import Problem

_LISTS = (
    "numeric",
    "categorical",
    "dates",
    "text",
    "ratios",
    "differences",
    "splines",
    "date_parts",
    "date_cycles",
)
_COUNTS = ("n_features", "n_topics", "n_hashes", "n_bins")


class Options(BaseEstimator):
    """What FeatureEngineer takes; described there. Plain values, so that they can be written down as JSON."""

    def __init__(
        self,
        numeric: Sequence[str] | None = None,
        categorical: Sequence[str] | None = None,
        encoding: str = "auto",
        imputation: str = "median",
        outliers: float | str | None = 3.0,
        scaling: str = "none",
        selection: str | Sequence[str] = "none",
        n_features: int | None = None,
        seed: int = 42,
        *,
        dates: Sequence[str] | None = None,
        text: Sequence[str] | None = None,
        encodings: Mapping[str, str] | None = None,
        orders: Mapping[str, Sequence[Any]] | None = None,
        n_hashes: int = 16,
        indicators: bool = True,
        date_parts: Sequence[str] | None = None,
        date_cycles: Sequence[str] | None = None,
        since: str | Sequence[str] | None = None,
        n_topics: int = 10,
        formulas: Mapping[str, str] | None = None,
        places: Mapping[str, Mapping[str, Any]] | None = None,
        n_areas: int = 0,
        ratios: Sequence[Sequence[str]] | None = None,
        differences: Sequence[Sequence[str]] | None = None,
        group_statistics: Mapping[str, Sequence[str]] | None = None,
        statistics: Sequence[str] = ("mean", "std", "deviation"),
        bins: Sequence[str] | Mapping[str, Sequence[float]] | None = None,
        n_bins: int = 5,
        bin_strategy: str = "quantile",
        splines: Sequence[str] | None = None,
        n_knots: int = 5,
        interactions: int | Sequence[str] | None = None,
        degree: int = 2,
        reduction: str = "none",
        n_components: float | None = None,
    ) -> None:
        self.numeric = numeric
        self.categorical = categorical
        self.encoding = encoding
        self.imputation = imputation
        self.outliers = outliers
        self.scaling = scaling
        self.selection = selection
        self.n_features = n_features
        self.seed = seed
        self.dates = dates
        self.text = text
        self.encodings = encodings
        self.orders = orders
        self.n_hashes = n_hashes
        self.indicators = indicators
        self.date_parts = date_parts
        self.date_cycles = date_cycles
        self.since = since
        self.n_topics = n_topics
        self.formulas = formulas
        self.places = places
        self.n_areas = n_areas
        self.ratios = ratios
        self.differences = differences
        self.group_statistics = group_statistics
        self.statistics = statistics
        self.bins = bins
        self.n_bins = n_bins
        self.bin_strategy = bin_strategy
        self.splines = splines
        self.n_knots = n_knots
        self.interactions = interactions
        self.degree = degree
        self.reduction = reduction
        self.n_components = n_components

    @classmethod
    def for_problem(cls, problem: Problem, **options: Any) -> Self:
        """Make an engineer with what a problem file says: roles, formulas and places.

        Parameters
        ----------
        problem : Problem
        **options
            Further options; they come before the file's.
        """
        columns = problem.columns
        said: dict[str, Any] = {
            "numeric": list(columns.numeric) or None,
            "categorical": list(columns.categorical) or None,
            "text": list(columns.text) or None,
            "formulas": dict(problem.features) or None,
            "places": {name: place.model_dump(mode="json") for name, place in problem.places.items()} or None,
        }
        return cls(**{**said, **options})


def check_options(options: Options, has_target: bool) -> None:
    """Raise a ParameterError for the first option that is unknown, of the wrong type or lacks a target."""
    for name, known in {
        "encoding": ENCODINGS,
        "imputation": IMPUTATIONS,
        "scaling": SCALINGS,
        "reduction": ("none", *REDUCTIONS),
    }.items():
        _one_of(name, getattr(options, name), known)
    for column, encoding in (options.encodings or {}).items():
        _one_of(f"encodings.{column}", encoding, ENCODINGS)
    chain = [options.selection] if isinstance(options.selection, str) else list(options.selection)
    for method in chain:
        _one_of("selection", method, SELECTIONS)
    check_outliers(options.outliers)
    for name in _LISTS:
        if isinstance(getattr(options, name), str):
            value = getattr(options, name)
            raise ParameterError(f"{name} is the text {value!r}; give a list. Write [{value!r}].")
    for name in _COUNTS:
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ParameterError(f"{name} is {value}; it must be 1 or more.")
    _check_target(options, chain, has_target)


def _one_of(name: str, value: Any, known: Sequence[str]) -> None:
    if value not in known:
        raise ParameterError(f"{name} is {value!r}. {list_known(str(value), known)}")


def _check_target(options: Options, chain: list[str], has_target: bool) -> None:
    """Say which option needs a target, where none is given."""
    if has_target:
        return
    ranks = options.n_features is not None or chain != ["importance"]  # else all that vary stay
    if needs_target(chain) and ranks:
        raise ParameterError(f"selection={options.selection!r} needs y. Pass the target, or use 'variance'.")
    if options.reduction == "lda":
        raise ParameterError("reduction='lda' needs y. Pass the target, or use 'pca'.")
    if options.interactions and isinstance(options.interactions, int):
        raise ParameterError("interactions as a number needs y, to find the best. Pass it, or name features.")

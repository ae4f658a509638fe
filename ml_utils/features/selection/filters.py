"""Methods that look at one feature, or one pair, at a time: variance, correlation, univariate tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml_utils.features.selection.material import Array, Material
from ml_utils.features.selection.result import Step, by_rank, ranked_why, ranks, sampled_note, top

MAX_CORRELATION = 0.95
FALSE_DISCOVERIES = 0.05  # share among what a test keeps, where no number of features is given
MAX_BINS = 10
FEW_VALUES = 20  # up to which a feature counts as discrete for mutual information
PAIR_ROWS, TEST_ROWS, NEIGHBOUR_ROWS = 100_000, 200_000, 5000


def variance(material: Material) -> Step:
    """Drop features with the same value in every row."""
    values = material.features
    first = values.iloc[0]
    varies = {name: bool((values[name] != first[name]).any()) for name in material.names}
    score = pd.Series({name: float(values[name].var(ddof=0)) if varies[name] else 0.0 for name in varies})
    why = {name: "varies" if varies[name] else "the same value in every row" for name in varies}
    return Step("variance", score, [name for name in material.names if varies[name]], why)


def correlation(material: Material) -> Step:
    """Of features that correlate above 0.95, keep the one that says most about the target.

    Features are visited from the strongest relation to the target (F of a one-way analysis, or of a straight
    line) to the weakest, ties by name; each stays unless it correlates above the limit, in either direction,
    with one that stays. Without a target the order of the table counts.
    """
    part = material.part(PAIR_ROWS)
    names = material.names
    order = names if part.y is None else by_rank(univariate_f(part)[0])
    related = pd.DataFrame(_correlations(part.features.to_numpy(float)), index=names, columns=names)
    kept: list[str] = []
    score, why = {}, {}
    for name in order:
        near = related.loc[name, kept].abs()
        nearest = by_rank(near)[0] if len(near) else None
        score[name] = float(near[nearest]) if nearest is not None else 0.0
        if nearest is None or score[name] <= MAX_CORRELATION:
            kept.append(name)
            why[name] = f"no correlation above {MAX_CORRELATION:g} with one that stays"
            continue
        reason = "comes first" if part.y is None else "says as much or more about the target"
        why[name] = f"correlation {related.loc[name, nearest]:.3f} with {nearest}, which {reason}"
    stays = set(kept)
    # the less alike, the better: a score's direction is the same for every method
    distinct = pd.Series({name: 1 - score[name] for name in names})
    details = pd.DataFrame({"correlation": pd.Series(score)}).loc[names]
    note = sampled_note("correlation", len(part.features), len(material.features))
    return Step("correlation", distinct, [name for name in names if name in stays], why, details, note)


def f_test(material: Material) -> Step:
    """Rank by the F statistic; without a number keep what passes at 5 % false discoveries."""
    part = material.part(TEST_ROWS)
    score, p_value = univariate_f(part)
    return _tested(material, "f_test", score, p_value, "F", len(part.features))


def chi2(material: Material) -> Step:
    """Rank by Pearson's chi-square test of each feature, cut into bins, against the classes.

    Features with up to ten values are taken as they are, others are cut at their deciles: a test of counts
    says nothing about quantities in euros. As bins differ in number, features are ranked by the p-value's
    logarithm.
    """
    from scipy.stats import chi2 as distribution

    part = material.part(TEST_ROWS)
    tests = [_contingency(part.features[name].to_numpy(float), part.target) for name in material.names]
    statistic = np.array([value for value, _ in tests])
    freedom = np.array([degrees for _, degrees in tests])
    log_p = pd.Series(-distribution.logsf(statistic, freedom) / np.log(10), index=material.names)
    p_value = pd.Series(distribution.sf(statistic, freedom), index=material.names)
    step = _tested(material, "chi2", log_p, p_value, "−log10 of the p-value", len(part.features))
    step.details["statistic"], step.details["degrees_of_freedom"] = statistic, freedom
    return step


def mutual_information(material: Material) -> Step:
    """Rank by mutual information with the target, in nats (Kraskov et al. 2004; Ross 2014).

    Without a number keep what says more than any feature of its kind (with up to 20 values, or more) says
    about the target shuffled, five times or more.
    """
    part = material.by_name().part(NEIGHBOUR_ROWS)
    discrete = np.array([part.features[name].nunique() <= FEW_VALUES for name in part.names])
    score = _information(part, part.target, discrete)
    score, details = score[material.names], pd.DataFrame(index=material.names)
    if material.n_features is not None:
        kept = top(score, material.n_features)
    else:
        details["chance"] = _chance(part, discrete)[material.names]
        kept = [name for name in material.names if score[name] > details.loc[name, "chance"]]
    note = sampled_note("mutual_information", len(part.features), len(material.features))
    why = ranked_why(score, "mutual information")
    return Step("mutual_information", score, kept, why, details, note)


def univariate_f(material: Material) -> tuple[pd.Series, pd.Series]:
    """Return each feature's F statistic and p-value; 0 and 1 for a constant."""
    from sklearn.feature_selection import f_classif, f_regression

    values = material.features.to_numpy(float)
    varies = (values != values[0]).any(axis=0)
    statistic, p_value = np.zeros(values.shape[1]), np.ones(values.shape[1])
    if varies.any():
        with np.errstate(
            divide="ignore", invalid="ignore"
        ):  # a class told apart without error: F is infinite
            test = f_classif if material.classes else f_regression
            statistic[varies], p_value[varies] = test(values[:, varies], material.target)
    names = material.names
    return pd.Series(np.nan_to_num(statistic, nan=0.0, posinf=np.inf), index=names), pd.Series(
        np.nan_to_num(p_value, nan=1.0), index=names
    )


def _tested(
    material: Material, method: str, score: pd.Series, p_value: pd.Series, what: str, used: int
) -> Step:
    from scipy.stats import false_discovery_control

    adjusted = pd.Series(false_discovery_control(p_value.to_numpy()), index=score.index)
    if material.n_features is not None:
        kept = top(score, material.n_features)
    else:
        kept = [name for name in score.index if adjusted[name] <= FALSE_DISCOVERIES]
    places = ranks(score)
    why = {
        name: f"{what} {score[name]:.3g}, p {p_value[name]:.2g}, rank {places[name]} of {len(score)}"
        for name in score.index
    }
    details = pd.DataFrame({"p_value": p_value, "p_adjusted": adjusted})
    return Step(method, score, kept, why, details, sampled_note(method, used, len(material.features)))


def _correlations(values: Array) -> Array:
    """Pearson's correlations; 0 where a feature is constant."""
    centred = values - values.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    centred /= np.where(length > 0, length, 1.0)
    return np.clip(centred.T @ centred, -1, 1)


def _contingency(values: Array, classes: Array) -> tuple[float, int]:
    """Chi-square statistic and degrees of freedom of binned values against classes."""
    from scipy.stats import chi2_contingency

    binned = _bins(values)
    counts = np.zeros((int(binned.max()) + 1, int(classes.max()) + 1))
    np.add.at(counts, (binned, classes), 1)
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    if min(counts.shape) < 2:
        return 0.0, 1
    test = chi2_contingency(counts, correction=False)
    return float(test.statistic), int(test.dof)


def _bins(values: Array) -> Array:
    distinct, codes = np.unique(values, return_inverse=True)
    if len(distinct) <= MAX_BINS:
        return codes
    inner = np.unique(np.quantile(values, np.linspace(0, 1, MAX_BINS + 1)[1:-1]))
    return np.searchsorted(inner, values, side="right")


def _chance(material: Material, discrete: Array) -> pd.Series:
    """The most that features of one kind say about a shuffled target: five times, or till 20 are asked."""
    rng = np.random.default_rng(material.seed)
    limit = pd.Series(0.0, index=material.names)
    for kind in (discrete, ~discrete):
        names = [name for name, member in zip(material.names, kind, strict=True) if member]
        part = material.only(names)
        for _ in range(max(5, -(-20 // len(names))) if names else 0):
            found = _information(part, rng.permutation(material.target), discrete[kind])
            limit[names] = np.maximum(limit[names], found.max())
    return limit


def _information(material: Material, target: Array, discrete: Array) -> pd.Series:
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    estimate = mutual_info_classif if material.classes else mutual_info_regression
    values = material.features.to_numpy(float, copy=True)
    for i in np.flatnonzero(discrete):  # as whole numbers: scikit-learn warns of categories with a point
        values[:, i] = np.unique(values[:, i], return_inverse=True)[1]
    found = estimate(values, target, discrete_features=discrete, random_state=material.seed)
    return pd.Series(found, index=material.names)

"""select_features: one method, or several in turn, and what became of every feature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.features.selection import embedded, filters, resampling, wrappers
from ml_utils.features.selection.material import Material, make_material
from ml_utils.features.selection.result import LABELS, Selection, Step
from ml_utils.wording import count


@dataclass(frozen=True)
class _Method:
    """A method: what it does, whether it needs a target, and whether it can keep a given number."""

    run: Callable[[Material], Step]
    needs_target: bool = True
    takes_number: bool = True
    classes_only: bool = False


_METHODS: dict[str, _Method] = {
    "variance": _Method(filters.variance, needs_target=False, takes_number=False),
    "correlation": _Method(filters.correlation, needs_target=False, takes_number=False),
    "f_test": _Method(filters.f_test),
    "chi2": _Method(filters.chi2, classes_only=True),
    "mutual_information": _Method(filters.mutual_information),
    "rfe": _Method(wrappers.rfe),
    "sequential": _Method(wrappers.sequential),
    "l1": _Method(embedded.l1),
    "importance": _Method(embedded.importance),
    "permutation": _Method(resampling.permutation),
    "stability": _Method(resampling.stability),
}
SELECTIONS = ("none", *_METHODS)


def select_features(
    features: pd.DataFrame,
    y: npt.ArrayLike | None = None,
    method: str | Sequence[str] = "none",
    *,
    n_features: int | None = None,
    task: str | None = None,
    groups: npt.ArrayLike | None = None,
    seed: int = 42,
) -> Selection:
    """Choose among features, by one method or by several in turn; constants always go first.

    Give it training rows only: what it learns from others is a leak.

    Parameters
    ----------
    features : DataFrame of shape (n_rows, n_features)
        Complete, finite numbers.
    y : array of shape (n_rows,), optional
        The target; not needed by variance and correlation.
    method : str or sequence of str
        Of `SELECTIONS`; each works on what those before it left.
    n_features : int, optional
        How many the last method that ranks keeps; all that are there where they are fewer. Without it each
        has a rule of its own: tests at 5 % false discoveries, cross-validation for rfe, sequential and l1,
        the shuffled target for mutual_information, frequency for permutation and stability; importance keeps
        all.
    task : {"binary", "multiclass", "regression"}, optional
        Told from the target: two values are binary, text is multi-class, other numbers a regression.
    groups : array of shape (n_rows,), optional
        Rows of one group stay together in every inner split.
    seed : int

    Returns
    -------
    Selection

    Raises
    ------
    ParameterError
        If a method is unknown, needs a target that is not given or another task.
    DataError
        If the table or the target cannot be used, or no feature is left.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"signal": rng.normal(size=200), "noise": rng.normal(size=200), "one": 1.0})
    >>> target = table["signal"] + rng.normal(size=200) > 0
    >>> select_features(table, target, ["variance", "f_test"]).kept
    ['signal']
    >>> select_features(table, target, "lasso")
    Traceback (most recent call last):
    ml_utils.errors.ParameterError: selection is 'lasso'. Known: chi2, correlation, f_test, ...
    """
    chain = as_chain(method)
    if not chain:
        names = [str(name) for name in features.columns]
        why = dict.fromkeys(names, "no selection")
        return _summary(names, [Step("none", pd.Series(np.nan, index=names), names, why)])
    material = make_material(
        features, _usable(y, chain), task=task, groups=groups, n_features=n_features, seed=seed
    )
    steps = [_constants(material)]
    for name, number in _numbers(chain, n_features):
        if name == "variance":
            continue  # done: every chain begins with it
        _check(name, material, number, len(steps[-1].kept))
        left = replace(material.only(steps[-1].kept), n_features=number)
        steps.append(_METHODS[name].run(left))
        if not steps[-1].kept:
            raise DataError(_nothing_left(name, left))
    return _summary(material.names, steps)


def as_chain(method: str | Sequence[str]) -> list[str]:
    """Return the methods in turn, without "none".

    Raises
    ------
    ParameterError
        If one is unknown.
    """
    listed = [method] if isinstance(method, str) else list(method)
    for name in listed:
        if name not in SELECTIONS:
            raise ParameterError(f"selection is {name!r}. {list_known(str(name), SELECTIONS)}")
    return [name for name in listed if name != "none"]


def needs_target(method: str | Sequence[str]) -> bool:
    """Tell whether a method, or one of the chain, cannot do without a target.

    >>> needs_target(["variance", "correlation"]), needs_target("f_test")
    (False, True)
    """
    return any(_METHODS[name].needs_target for name in as_chain(method))


def _usable(y: npt.ArrayLike | None, chain: list[str]) -> npt.ArrayLike | None:
    """Leave a target aside that no method needs and that says nothing: one value, or missing somewhere."""
    if y is None or needs_target(chain):
        return y
    values = pd.Series(np.asarray(y))
    told = chain != ["variance"] and len(pd.unique(values)) > 1 and not values.isna().any()
    return y if told else None


def _numbers(chain: list[str], n_features: int | None) -> list[tuple[str, int | None]]:
    """Give the number to the last method that can keep one."""
    takers = [i for i, name in enumerate(chain) if _METHODS[name].takes_number]
    return [(name, n_features if takers and i == takers[-1] else None) for i, name in enumerate(chain)]


def _check(name: str, material: Material, number: int | None, left: int) -> None:
    method = _METHODS[name]
    free = name == "importance" and (number is None or left <= number)  # nothing to rank for: all stay
    if method.needs_target and material.y is None and not free:
        raise ParameterError(
            f"selection={name!r} needs y. Pass the target, or use 'variance' or 'correlation'."
        )
    if method.classes_only and not material.classes:
        raise ParameterError(
            f"selection={name!r} compares classes; the target is a number. Use 'f_test' or "
            "'mutual_information', or set the task."
        )


def _constants(material: Material) -> Step:
    step = filters.variance(material)
    if not step.kept:
        raise DataError("Every feature is constant; there is nothing to learn from.")
    return step


def _nothing_left(name: str, left: Material) -> str:
    label = LABELS.get(name, name)
    return (
        f"None of {count(len(left.names))} features is left: by {label} none says more about the target than "
        "chance does. Set n_features to keep the best all the same, or leave this method out."
    )


def _summary(names: list[str], steps: list[Step]) -> Selection:
    last, why = steps[-1], {}
    for step in steps:
        why.update(step.why)
    kept = set(last.kept)
    scores = pd.DataFrame(
        {
            "feature": pd.Series(names, dtype="str"),
            "score": last.score.reindex(names).to_numpy(float),
            "kept": [name in kept for name in names],
            "why": pd.Series([why[name] for name in names], dtype="str"),
        }
    )
    return Selection(list(last.kept), scores, tuple(steps))

"""What a selection found: which features stay, their scores, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ml_utils.wording import count, listing, times

DIGITS = 10  # significant digits that scores are compared at: the last ones of a float are chance

LABELS = {
    "f_test": "the F test",
    "chi2": "the chi-square test",
    "mutual_information": "mutual information",
    "rfe": "recursive elimination",
    "sequential": "sequential search",
    "l1": "the L1 path",
    "importance": "the trees' gain",
    "permutation": "permutation on held-out rows",
    "stability": "stability selection",
}
REASONS = {"variance": "as constant", "correlation": "as nearly the same as one that stays"}


@dataclass(frozen=True)
class Step:
    """What one method found about the features that were left to it.

    Parameters
    ----------
    method : str
    score : Series indexed by feature
        Larger is better.
    kept : list of str
        In the table's order.
    why : dict of str to str
        For each feature, in a few words.
    details : DataFrame indexed by feature
        Further figures of the method (p-values, frequencies); may be empty of columns.
    note : str
        How the method worked, where that has to be known (a sample of the rows, an error bound).
    """

    method: str
    score: pd.Series
    kept: list[str]
    why: dict[str, str]
    details: pd.DataFrame = field(default_factory=pd.DataFrame)
    note: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return a row a feature, best first: feature, score, kept, why, and the method's own figures."""
        order = by_rank(self.score)
        kept = set(self.kept)
        frame = pd.DataFrame(
            {
                "feature": pd.Series(order, dtype="str"),
                "score": self.score[order].to_numpy(float),
                "kept": [name in kept for name in order],
                "why": pd.Series([self.why[name] for name in order], dtype="str"),
            }
        )
        return frame.join(self.details, on="feature") if len(self.details.columns) else frame


@dataclass(frozen=True)
class Selection:
    """Which features stay.

    Parameters
    ----------
    kept : list of str
        In the table's order.
    scores : DataFrame
        A row a feature in the table's order: feature, score (by the last method; NaN where an earlier one
        had dropped the feature), kept, why.
    steps : tuple of Step
        What each method of the chain found, in turn.
    """

    kept: list[str]
    scores: pd.DataFrame
    steps: tuple[Step, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return the scores, what stays first, then by score."""
        order = self.scores.sort_values(
            ["kept", "score", "feature"], ascending=[False, False, True], kind="stable"
        )
        return order.reset_index(drop=True)

    def sentences(self) -> list[str]:
        """Say in words what was dropped, and by what."""
        n = len(self.scores)
        if len(self.kept) == n:
            said = [f"All {count(n)} features stay."]
        else:
            parts = [_dropped(step) for step in self.steps if len(step.kept) < len(step.score)]
            said = [f"Of {times(n, 'feature')} {count(len(self.kept))} stay: {'; '.join(parts)}."]
        return [*said, *(step.note for step in self.steps if step.note)]

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False, float_format=lambda value: f"{value:.4g}")


def _dropped(step: Step) -> str:
    gone = [name for name in by_rank(step.score) if name not in set(step.kept)]
    why = REASONS.get(step.method) or f"by {LABELS.get(step.method, step.method)}"
    return f"{count(len(gone))} dropped {why} ({listing(gone, 3)})"


def by_rank(score: pd.Series) -> list[str]:
    """Order features by falling score, ties by name; what has no score stands last.

    Examples
    --------
    >>> by_rank(pd.Series({"b": 2.0, "a": 2.0 + 1e-15, "c": 3.0, "d": float("nan")}))
    ['c', 'a', 'b', 'd']
    """
    values = [_rounded(value) for value in score.to_numpy(float)]
    paired = zip(values, score.index, strict=True)
    return [name for _, name in sorted(paired, key=lambda pair: (-pair[0], str(pair[1])))]


def top(score: pd.Series, n: int) -> list[str]:
    """Return the best `n` features in the table's order, ties by name."""
    best = set(by_rank(score)[:n])
    return [name for name in score.index if name in best]


def ranks(score: pd.Series) -> dict[str, int]:
    """Return each feature's place, 1 being the best."""
    return {name: place for place, name in enumerate(by_rank(score), start=1)}


def ranked_why(score: pd.Series, what: str, digits: int = 3) -> dict[str, str]:
    """Say of each feature its score and its place."""
    places = ranks(score)
    return {
        name: f"{what} {value:.{digits}g}, rank {places[name]} of {len(score)}"
        for name, value in score.items()
    }


def sampled_note(method: str, used: int, rows: int) -> str:
    """Say that a method saw a part of the rows; empty where it saw all."""
    if used >= rows:
        return ""
    label = LABELS.get(method, method)
    return f"{label[0].upper()}{label[1:]} looked at a random {count(used)} of {count(rows)} rows."


def join_notes(notes: Sequence[str]) -> str:
    """Join what is not empty."""
    return " ".join(note for note in notes if note)


def _rounded(value: float) -> float:
    if np.isnan(value):
        return -np.inf
    return float(f"{value:.{DIGITS - 1}e}") if np.isfinite(value) else float(value)

"""The comparison of the arms: over all rows, and segment by segment."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml_utils.experiments.arms import Covaried, Mean, Proportion
from ml_utils.experiments.checks import adjust_p_values, heterogeneity
from ml_utils.experiments.rows import Rows, segment_frame
from ml_utils.experiments.stats import Cuped, Effect, cuped, two_means, two_proportions

MIN_SEGMENT = 30  # rows an arm below which a segment's effect is not estimated

_SEGMENT_COLUMNS = [
    "segment",
    "level",
    "n_control",
    "n_treatment",
    "control",
    "treatment",
    "difference",
    "low",
    "high",
    "standard_error",
    "p_value",
    "p_adjusted",
    "note",
]


def compare_arms(rows: Rows, alpha: float) -> tuple[Effect, Cuped | None]:
    """Return the effect from the outcomes alone and, where there is a covariate, the adjusted one."""
    control, treatment = rows.outcome[~rows.treated], rows.outcome[rows.treated]
    if rows.metric == "proportion":
        first, second = (Proportion(int(y.sum()), y.size) for y in (control, treatment))
        effect = two_proportions(first, second, alpha)
    else:
        effect = two_means(Mean.of(control), Mean.of(treatment), alpha)
    if rows.covariate is None or effect.standard_error == 0:
        return effect, None
    x = rows.covariate
    arms = Covaried.of(control, x[~rows.treated]), Covaried.of(treatment, x[rows.treated])
    return effect, cuped(*arms, alpha)


def by_segment(rows: Rows, segments: pd.DataFrame | pd.Series | None, alpha: float) -> pd.DataFrame:
    """Return the effect in each level of each segment column, with p-values corrected over all (Holm)."""
    frame = segment_frame(segments, len(rows.outcome))
    lines = []
    for name in frame.columns:
        levels = frame[name].astype("str").where(frame[name].notna(), "missing")
        for level in sorted(levels.unique()):
            part = rows.only((levels == level).to_numpy())
            lines.append({"segment": str(name), "level": level, **_segment(part, alpha)})
    table = pd.DataFrame(lines, columns=_SEGMENT_COLUMNS)
    tested = table["p_value"].notna()
    table.loc[tested, "p_adjusted"] = adjust_p_values(table.loc[tested, "p_value"].tolist(), "holm")
    return table


def _segment(part: Rows, alpha: float) -> dict[str, object]:
    sizes = {"n_control": int((~part.treated).sum()), "n_treatment": int(part.treated.sum())}
    if min(sizes.values()) < MIN_SEGMENT:
        return {**sizes, "note": f"fewer than {MIN_SEGMENT} rows in an arm"}
    if part.metric == "mean" and all(np.ptp(part.outcome[part.treated == arm]) == 0 for arm in (True, False)):
        return {**sizes, "note": "the outcome does not vary within the arms"}
    unadjusted, adjusted = compare_arms(part, alpha)
    effect = unadjusted if adjusted is None else adjusted.effect
    names = ["control", "treatment", "difference", "low", "high", "standard_error", "p_value"]
    return {**sizes, **{name: getattr(effect, name) for name in names}, "note": ""}


def segment_differences(table: pd.DataFrame) -> dict[str, float]:
    """P-value for each segment column that its levels share one effect."""
    tested = table[table["standard_error"] > 0]
    return {
        name: heterogeneity(part["difference"].tolist(), (part["standard_error"] ** 2).tolist())[1]
        for name, part in tested.groupby("segment", sort=False)
    }

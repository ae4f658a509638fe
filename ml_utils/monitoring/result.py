"""What `ModelMonitor.calculate` found, and the few lines of it that retraining needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ml_utils.evaluation.metrics import METRICS
from ml_utils.wording import figure

if TYPE_CHECKING:
    from ml_utils.monitoring.alerts import Alert


@dataclass(frozen=True)
class MonitorSummary:
    """What notebook 05 leaves for the decision to retrain; plain values, so that JSON keeps it.

    Parameters
    ----------
    metric : str
    reference : float
        Its value on the reference.
    margin : float
        Share of `reference` by which it must fall to count.
    periods : list of str
    performance : list of dict
        period, value, lower, upper, estimated, fallen, expected_to_fall.
    calibration : list of dict
        period, observed, expected, effect, shifted.
    drifted : list of dict
        column, since, periods, largest_psi, influence.
    """

    metric: str
    reference: float
    margin: float
    periods: list[str]
    performance: list[dict[str, Any]]
    calibration: list[dict[str, Any]]
    drifted: list[dict[str, Any]]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> MonitorSummary:
        """Read what `to_json` wrote."""
        return cls(**{name: content[name] for name in cls.__dataclass_fields__})

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts and lists."""
        return asdict(self)


@dataclass(frozen=True)
class MonitorResult:
    """A production period held against the reference.

    Parameters
    ----------
    problem : str
        Its name.
    task : {"binary", "regression"}
    metric : str
        The metric that decides.
    alpha, margin : float
        As given to the monitor.
    n_reference : int
    rows : dict of str to int
        Period to its rows, in order.
    reference : DataFrame
        Indexed by metric: value, error (standard), lower, upper.
    drift : DataFrame
        One row a period and column: kind, test, statistic, p_value, p_adjusted, psi, js, threshold, drifted.
    faults : DataFrame
        One row a period, column and fault: reference and share of rows, p_adjusted, flagged.
    performance : DataFrame
        One row a period and metric: realised value with its interval, estimated value with the interval
        within which the realised one should lie, fallen, expected_to_fall.
    calibration : DataFrame
        One row a labelled period: observed and expected mean outcome, effect, p_adjusted, shifted.
    influence : Series
        Column to its share of the model's score.
    served : DataFrame or None
        One row a period: rows, differing (served scores that are not the model's), largest (difference);
        None where the model scored the rows for the monitor.
    """

    problem: str
    task: str
    metric: str
    alpha: float
    margin: float
    n_reference: int
    rows: Mapping[str, int]
    reference: pd.DataFrame
    drift: pd.DataFrame
    faults: pd.DataFrame
    performance: pd.DataFrame
    calibration: pd.DataFrame
    influence: pd.Series
    served: pd.DataFrame | None = None

    @property
    def periods(self) -> list[str]:
        """Names of the periods, in order."""
        return list(self.rows)

    @property
    def alerts(self) -> list[Alert]:
        """What someone should look at, gravest first."""
        from ml_utils.monitoring.alerts import alerts_from

        return alerts_from(self)

    @property
    def drifted(self) -> pd.DataFrame:
        """Columns that drifted: since when, in how many periods, how far, how much the model uses them."""
        hit = self.drift[self.drift["drifted"]]
        found = hit.groupby("column", sort=False).agg(
            since=("period", "first"), periods=("period", "size"), largest_psi=("psi", "max")
        )
        found["influence"] = self.influence.reindex(found.index)
        return found.sort_values("largest_psi", ascending=False).reset_index()

    @property
    def estimated(self) -> pd.DataFrame:
        """Performance estimated without labels, by period and metric."""
        columns = ["period", "metric", "estimated", "estimated_lower", "estimated_upper", "expected_to_fall"]
        return self.performance[columns]

    def of_metric(self, metric: str | None = None) -> pd.DataFrame:
        """Return the performance rows of one metric, by default the one that decides."""
        rows = self.performance[self.performance["metric"] == (metric or self.metric)]
        return rows.reset_index(drop=True)

    def to_frame(self) -> pd.DataFrame:
        """Return one readable row a period."""
        label = METRICS[self.metric].label
        hits = self.drift[self.drift["drifted"]]
        columns = hits[hits["kind"] != "score"].groupby("period")["column"].agg(", ".join)
        scores = set(hits.loc[hits["kind"] == "score", "period"])
        performance = self.of_metric().set_index("period")
        shifted = self.calibration.set_index("period")
        rows = []
        for period, n_rows in self.rows.items():
            row, line = performance.loc[period], shifted.reindex([period]).iloc[0]
            rows.append(
                {
                    "period": period,
                    "rows": n_rows,
                    "drifted columns": columns.get(period, "none"),
                    "score drifted": "yes" if period in scores else "no",
                    f"{label} realised": _with_interval(row["value"], row["lower"], row["upper"]),
                    f"{label} estimated": figure(row["estimated"]),
                    "outcome observed": _known(line["observed"]),
                    "outcome expected": _known(line["expected"]),
                }
            )
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def summary(self) -> MonitorSummary:
        """Return what the decision to retrain needs."""
        kept = ["period", "value", "lower", "upper", "estimated", "fallen", "expected_to_fall"]
        lines = ["period", "observed", "expected", "effect", "shifted"]
        return MonitorSummary(
            metric=self.metric,
            reference=float(self.reference.loc[self.metric, "value"]),
            margin=self.margin,
            periods=self.periods,
            performance=self.of_metric()[kept].to_dict(orient="records"),
            calibration=self.calibration[lines].to_dict(orient="records"),
            drifted=self.drifted.to_dict(orient="records"),
        )


def _known(value: float) -> str:
    return "not known yet" if pd.isna(value) else figure(value)


def _with_interval(value: float, lower: float, upper: float) -> str:
    if pd.isna(value):
        return _known(value)
    return f"{figure(value)} ({figure(lower)} to {figure(upper)})"

"""All columns of all periods held against the reference: drift, and faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ml_utils.monitoring.column_checks import ColumnReference
from ml_utils.monitoring.drift import adjust
from ml_utils.monitoring.samples import Sample


def drift_table(
    periods: Mapping[str, Sample], columns: Sequence[ColumnReference], alpha: float, min_effect: float
) -> pd.DataFrame:
    """Compare each column of each period with the reference.

    Parameters
    ----------
    periods : dict of str to Sample
    columns : sequence of ColumnReference
    alpha : float
        Level of all comparisons together.
    min_effect : float
        Least stability index that matters.

    Returns
    -------
    DataFrame
        As `MonitorResult.drift`.
    """
    rows = []
    for name, part in periods.items():
        for column in columns:
            values = pd.Series(part.score) if column.kind == "score" else part.X[column.name]
            row = {"period": name, "column": column.name, "kind": column.kind}
            rows.append({**row, **column.compare(values, part.n_independent, alpha)})
    table = pd.DataFrame(rows)
    table["p_adjusted"] = adjust(table["p_value"].to_numpy())
    table["threshold"] = table["noise"].clip(lower=min_effect)
    table["drifted"] = (table["p_adjusted"] < alpha) & (table["psi"] > table["threshold"])
    return table.drop(columns="noise")


def fault_table(
    periods: Mapping[str, Sample], columns: Sequence[ColumnReference], alpha: float, min_fault: float
) -> pd.DataFrame:
    """Look in each column of each period for faulty values that became more frequent.

    Parameters
    ----------
    periods : dict of str to Sample
    columns : sequence of ColumnReference
    alpha : float
        Level of all tests together.
    min_fault : float
        Least rise in the share of faulty values that matters.

    Returns
    -------
    DataFrame
        As `MonitorResult.faults`.
    """
    rows = [
        {"period": name, "column": column.name, **fault}
        for name, part in periods.items()
        for column in columns
        if column.kind != "score"
        for fault in column.faults(part.X[column.name])
    ]
    table = pd.DataFrame(rows, columns=["period", "column", "fault", "reference", "share", "p_value"])
    table["p_adjusted"] = adjust(table["p_value"].to_numpy(float))
    risen = table["share"] - table["reference"] > min_fault
    table["flagged"] = risen & (table["p_adjusted"] < alpha)
    return table

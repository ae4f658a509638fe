"""Where values are missing: which columns together, and whether that has to do with the target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_utils.data.schema import features_and_target
from ml_utils.exploration.associations import ALPHA, q_values
from ml_utils.exploration.comparing import compare
from ml_utils.exploration.effects import THRESHOLDS, on_scale
from ml_utils.exploration.variables import Prepared, Variable, is_usable
from ml_utils.problem import Problem
from ml_utils.wording import figure, listing, percent, times

MOST_COLUMNS = 8  # tested against all others
MOST_OTHERS = 60
MOST_PATTERNS = 8
NEGLIGIBLE = THRESHOLDS["d"][0]


@dataclass(frozen=True)
class Missingness:
    """Empty cells: columns, patterns and relations.

    Parameters
    ----------
    columns : DataFrame
        column, missing, share; most first; columns without any are left out.
    patterns : DataFrame
        columns (missing together, as text), how_many, rows, share; the most frequent first, complete rows
        too.
    members : list of list of str
        The columns of each pattern.
    together : DataFrame
        first, second, rows (both missing), phi: how far two columns are missing in the same rows.
    target : DataFrame
        column, rows_missing, where_missing, where_known (mean of the target), test, p_value, q_value, size,
        verdict.
    related : DataFrame
        column, other, test, p_value, q_value, size, verdict: whether it is missing where `other` has certain
        values; only what is significant and not negligible.
    rows : int
        Rows of the table.
    tested_rows : int
        Rows that tests looked at.
    binary : bool
    """

    columns: pd.DataFrame
    patterns: pd.DataFrame
    members: list[list[str]]
    together: pd.DataFrame
    target: pd.DataFrame
    related: pd.DataFrame
    rows: int
    tested_rows: int
    binary: bool

    def to_frame(self) -> pd.DataFrame:
        """Return the columns with empty cells and whether that tells something about the target."""
        return self.columns.merge(self.target, on="column", how="left")

    def sentence(self) -> str:
        """Say in a sentence or two where values are missing and whether it matters."""
        if self.columns.empty:
            return "No cell is empty."
        complete = self.patterns.loc[self.patterns["how_many"] == 0, "share"].sum()
        top = [f"{row.column} ({percent(row.share)})" for row in self.columns.head(3).itertuples()]
        most = "most in " if len(self.columns) > 1 else ""
        some = times(len(self.columns), "column has", "columns have")
        say = f"{some} empty cells, {most}{listing(top)}; {percent(complete)} of rows are complete. "
        return say + self._on_target() + self._on_others()

    def _on_target(self) -> str:
        tell = self.target[self.target["verdict"] == "related"]
        if tell.empty:
            return "That a value is missing says nothing about the target that could be shown"
        row = tell.iloc[0]
        show = percent if self.binary else figure
        return (
            f"That {row['column']} is missing tells something: the target is {show(row['where_missing'])} "
            f"there, {show(row['where_known'])} elsewhere"
        )

    def _on_others(self) -> str:
        if self.related.empty:
            return "."
        row = self.related.iloc[0]
        return f"; whether {row['column']} is missing depends on {row['other']}."

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False, float_format="{:.3g}".format, na_rep="", border=0)


def find_missing(frame: pd.DataFrame, problem: Problem, prepared: Prepared, seed: int = 42) -> Missingness:
    """Find the patterns of empty cells and test what they have to do with.

    Parameters
    ----------
    frame : DataFrame
        Training rows; patterns are counted on all. An infinite number counts as missing.
    problem : Problem
    prepared : Prepared
        The rows on which tests are fair.
    seed : int

    Returns
    -------
    Missingness
    """
    rng = np.random.default_rng(seed)
    X, _ = features_and_target(frame, problem)
    empty = _empty_cells(X)
    names, rows = list(empty.columns), len(frame)
    sizes = empty.sum().to_numpy()
    columns = pd.DataFrame({"column": pd.Series(names, dtype="str"), "missing": sizes, "share": sizes / rows})
    columns = columns.sort_values(["missing", "column"], ascending=[False, True]).reset_index(drop=True)
    tested = [name for name in columns["column"] if empty[name].to_numpy()[prepared.index].any()]
    flags = {
        name: Variable(
            name, "category", empty[name].to_numpy()[prepared.index].astype(np.int64), ("no", "yes")
        )
        for name in tested
    }
    patterns, members = _patterns(empty, rows)
    return Missingness(
        columns,
        patterns,
        members,
        _together(empty),
        _on_target(flags, prepared, rng),
        _on_others({name: flags[name] for name in tested[:MOST_COLUMNS]}, prepared, rng),
        rows,
        prepared.rows,
        prepared.binary,
    )


def _empty_cells(X: pd.DataFrame) -> pd.DataFrame:
    found = {}
    for name in X.columns:
        values = X[name]
        empty = values.isna().to_numpy(dtype=bool)
        if pd.api.types.is_float_dtype(values):
            empty = ~is_usable(values.to_numpy(dtype=float, na_value=np.nan))
        if empty.any():
            found[str(name)] = empty
    return pd.DataFrame(found, index=X.index)


def _patterns(empty: pd.DataFrame, rows: int) -> tuple[pd.DataFrame, list[list[str]]]:
    if empty.empty:
        everything = {"columns": ["(complete)"], "how_many": [0], "rows": [rows], "share": [1.0]}
        return pd.DataFrame(everything), [[]]
    packed = np.packbits(empty.to_numpy(), axis=1)
    _, first, sizes = np.unique(packed, axis=0, return_index=True, return_counts=True)
    order = np.argsort(-sizes, kind="stable")[:MOST_PATTERNS]
    found, members = [], []
    for i in order:
        inside = [name for name, hit in zip(empty.columns, empty.iloc[first[i]], strict=True) if hit]
        members.append(inside)
        text = ", ".join(inside) or "(complete)"
        found.append((text, len(inside), int(sizes[i]), float(sizes[i] / rows)))
    return pd.DataFrame(found, columns=["columns", "how_many", "rows", "share"]), members


def _together(empty: pd.DataFrame) -> pd.DataFrame:
    names = list(empty.columns)
    cells = empty.to_numpy(float)
    both = cells.T @ cells
    spread = cells.std(axis=0)
    centred = cells - cells.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # a column that is missing everywhere has no spread
        phi = (centred.T @ centred / len(cells)) / np.outer(spread, spread)
    found = [
        (names[i], names[j], int(both[i, j]), float(phi[i, j]))
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if np.isfinite(phi[i, j])
    ]
    table = pd.DataFrame(found, columns=["first", "second", "rows", "phi"])
    return table.sort_values("phi", ascending=False, kind="stable").reset_index(drop=True)


def _on_target(flags: dict[str, Variable], prepared: Prepared, rng: np.random.Generator) -> pd.DataFrame:
    y = prepared.target.cells.astype(float)
    found = []
    for name, flag in flags.items():
        result = compare(prepared.target, flag, rng)
        gone = flag.cells == 1
        known = float(y[~gone].mean()) if (~gone).any() else float("nan")
        size = on_scale(result.effect, "d", result.share)[0]
        found.append((name, int(gone.sum()), float(y[gone].mean()), known, result.test, result.p_value, size))
    names = ["column", "rows_missing", "where_missing", "where_known", "test", "p_value", "size"]
    return _with_verdict(pd.DataFrame(found, columns=names).astype({"column": "str"}))


def _on_others(flags: dict[str, Variable], prepared: Prepared, rng: np.random.Generator) -> pd.DataFrame:
    sample = prepared.sample(5000, rng)
    place = np.searchsorted(prepared.index, sample.index)
    found = []
    for name, flag in flags.items():
        here = flag.take(place)
        for other, variable in list(sample.variables.items())[:MOST_OTHERS]:
            if other == name:
                continue
            result = compare(variable, here, rng)
            size = on_scale(result.effect, "d", result.share)[0]
            found.append((name, other, result.test, result.p_value, size))
    table = _with_verdict(pd.DataFrame(found, columns=["column", "other", "test", "p_value", "size"]))
    related = table[table["verdict"] == "related"].sort_values("size", ascending=False, kind="stable")
    return related.groupby("column", sort=False).head(3).reset_index(drop=True)


def _with_verdict(table: pd.DataFrame) -> pd.DataFrame:
    table["q_value"] = q_values(table["p_value"].to_numpy(float))
    significant = table["q_value"] < ALPHA
    verdict = np.select(
        [significant & (table["size"] >= NEGLIGIBLE), significant], ["related", "negligible"], "not shown"
    )
    table["verdict"] = verdict
    return table

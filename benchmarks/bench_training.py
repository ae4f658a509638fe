"""ModelTrainer beside other tools: AUC, log loss and seconds on the same folds of the same tables.

    python benchmarks/bench_training.py [--tables telco,churn] [--tools ours,ours4,flaml60] [--quick]
                                        [--keep FOLDER]

Everything that a tool learns, it learns inside the fold: its features, its search, its choice of a model.
FLAML and AutoGluon run in environments of their own. `--keep` holds what each tool predicted, so that a tool
which takes an hour need not run again as long as the table and its folds stay the same.

Octavo and the plain models run on one thread: processor seconds are what they take on an idle core, seconds
what they took beside whatever else ran. Only a time budget is held against the clock.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from common import record
from peers.environments import PeerError, ask
from training_tables import TABLES, BenchTable, read

Fit = Callable[[pd.DataFrame, pd.Series, pd.DataFrame, pd.Series | None], np.ndarray]

# AUC at least, log loss at most, seconds a fold at most, by (table, tool)
GOALS: dict[tuple[str, str], tuple[float, float, float]] = {
    ("telco", "ours"): (0.849, 0.4115, 10.0),
    ("telco", "ours4"): (0.848, 1.0, 4.4),
    ("online_shoppers", "ours"): (0.935, 1.0, 30.0),
    ("bank_marketing", "ours"): (0.805, 1.0, 30.0),
}
INTRO = (
    "Means over five folds, shuffled with seed 42; everything is learnt inside the fold. Peers' time "
    "limits are by the clock, goals of Octavo's are in processor seconds but for the budget of 4 s: on "
    "a busy machine that favours Octavo. LightGBM's starting settings (columns drawn by node) were "
    "picked among eight variants by their scores on these folds of telco, online_shoppers, conversion, "
    "churn and bank_marketing, so that Octavo's figures there flatter it a little; breast_cancer and "
    "digits took no part."
)
BUDGETED = ("ours4",)
ACHIEVABLE = {"churn": 0.985}  # least share of the AUC that scoring by the true probability gives


@dataclass(frozen=True)
class Scored:
    """A tool on a table: out-of-fold scores, what each fold took by the clock, and of a core."""

    score: np.ndarray
    seconds: list[float]
    processor: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """A tool's line in a table's comparison."""

    label: str
    auc: float = float("nan")
    loss: float = float("nan")
    seconds: float = float("nan")
    processor: float = float("nan")
    verdict: str = ""
    met: bool = True

    def figures(self) -> tuple[str, ...]:
        """Return the figures as the page shows them; a dash for what is not known."""
        shown = ((self.auc, 4), (self.loss, 4), (self.seconds, 1), (self.processor, 1))
        return tuple(f"{value:.{digits}f}" if np.isfinite(value) else "–" for value, digits in shown)


def xgboost(X: pd.DataFrame, y: pd.Series, new: pd.DataFrame, groups: pd.Series | None) -> np.ndarray:
    """XGBoost as it comes, categories left to it."""
    from xgboost import XGBClassifier

    train, rows = _categories(X, new)
    return XGBClassifier(enable_categorical=True, n_jobs=1).fit(train, y).predict_proba(rows)[:, 1]


def lightgbm(X: pd.DataFrame, y: pd.Series, new: pd.DataFrame, groups: pd.Series | None) -> np.ndarray:
    """LightGBM as it comes, categories left to it."""
    from lightgbm import LGBMClassifier

    train, rows = _categories(X, new)
    return LGBMClassifier(verbosity=-1, n_jobs=1).fit(train, y).predict_proba(rows)[:, 1]


def logistic(X: pd.DataFrame, y: pd.Series, new: pd.DataFrame, groups: pd.Series | None) -> np.ndarray:
    """Logistic regression on scaled numbers and one column a category."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = X.select_dtypes("number").columns
    words = [name for name in X.columns if name not in numbers]
    steps = [
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), list(numbers)),
        ("words", OneHotEncoder(handle_unknown="ignore", min_frequency=10), words),
    ]
    train, rows = (part.astype(dict.fromkeys(words, "str")) for part in (X, new))
    model = make_pipeline(ColumnTransformer(steps), LogisticRegression(max_iter=2000))
    return model.fit(train, y).predict_proba(rows)[:, 1]


def trainer(budget: float | None = None) -> Fit:
    """Return ModelTrainer with its defaults, or with a time budget."""

    def fit(X: pd.DataFrame, y: pd.Series, new: pd.DataFrame, groups: pd.Series | None) -> np.ndarray:
        from ml_utils import ModelTrainer

        return ModelTrainer(budget_seconds=budget).fit(X, y, groups).best_.predict_score(new)

    return fit


def _categories(X: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give words and truth values the categories of the training rows."""
    train, rows = X.copy(), new.copy()
    for name in X.columns.difference(X.select_dtypes("number").columns):
        kind = pd.CategoricalDtype(sorted(X[name].dropna().astype("str").unique()))
        train[name], rows[name] = (part[name].astype("str").astype(kind) for part in (X, new))
    return train, rows


@dataclass(frozen=True)
class Tool:
    """A tool of the comparison: a function of this process, or the arguments of a peer's script."""

    label: str
    fit: Fit | None = None
    peer: str = ""
    arguments: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


def _autogluon(label: str, seconds: int, preset: str, only: tuple[str, ...] = ()) -> Tool:
    return Tool(label, None, "autogluon", ("--seconds", str(seconds), "--preset", preset), only)


TOOLS = {
    "xgboost": Tool("XGBoost as it comes", xgboost),
    "lightgbm": Tool("LightGBM as it comes", lightgbm),
    "logistic": Tool("logistic regression", logistic),
    "flaml10": Tool("FLAML, 10 s", None, "flaml", ("--seconds", "10"), ("telco",)),
    "flaml60": Tool("FLAML, 60 s", None, "flaml", ("--seconds", "60")),
    "ag60": _autogluon("AutoGluon medium, 60 s", 60, "medium_quality"),
    "ag90": _autogluon("AutoGluon good, 90 s", 90, "good_quality", ("telco",)),
    "ours4": Tool("**ModelTrainer, budget 4 s**", trainer(4.0)),
    "ours": Tool("**ModelTrainer**", trainer()),
}


def run(tool: Tool, table: BenchTable, folder: Path) -> Scored:
    """Fit and predict every fold.

    Raises
    ------
    PeerError
        If a peer cannot be installed, or fails.
    """
    if tool.fit is None:
        out = folder / "scores.parquet"
        inputs = [str(folder / f"{table.name}.{kind}") for kind in ("parquet", "json")]
        said = ask(tool.peer, "automl.py", tool.peer, *inputs, str(out), *tool.arguments)
        return Scored(pd.read_parquet(out)["score"].to_numpy(), said["seconds"])
    found = Scored(np.full(len(table.y), np.nan), [])
    for train, valid in table.folds:
        groups = None if table.groups is None else table.groups.iloc[train]
        started, worked = time.monotonic(), time.process_time()
        found.score[valid] = tool.fit(table.X.iloc[train], table.y.iloc[train], table.X.iloc[valid], groups)
        found.seconds.append(time.monotonic() - started)
        found.processor.append(time.process_time() - worked)
    return found


def kept_or_run(name: str, table: BenchTable, folder: Path) -> Scored:
    """Take what a peer predicted before from the folder, or run the tool and leave its scores there."""
    scores, said = (folder / f"{table.name}.{name}.{kind}" for kind in ("parquet", "log"))
    if scores.is_file() and said.is_file():
        took = json.loads(said.read_text().strip().splitlines()[-1])
        return Scored(pd.read_parquet(scores)["score"].to_numpy(), **took)
    found = run(TOOLS[name], table, folder)
    pd.DataFrame({"score": found.score}).to_parquet(scores)
    said.write_text(json.dumps({"seconds": found.seconds, "processor": found.processor}) + "\n")
    return found


def hand_over(table: BenchTable, folder: Path) -> None:
    """Write a table and its folds for the peers.

    Raises
    ------
    SystemExit
        If the folder holds scores of other rows or other folds.
    """
    folds = json.dumps([[train.tolist(), valid.tolist()] for train, valid in table.folds])
    path, rows = folder / f"{table.name}.json", table.X.assign(target__=table.y)
    written = folder / f"{table.name}.parquet"
    if path.is_file() and path.read_text() == folds and pd.read_parquet(written).equals(rows):
        return
    if any(folder.glob(f"{table.name}.*.parquet")):
        sys.exit(f"{folder} keeps scores of another {table.name} (rows or folds); name another folder.")
    rows.to_parquet(written)
    path.write_text(folds)


def measure(name: str, tools: Sequence[str], folder: Path, quick: bool) -> tuple[str, bool]:
    """Compare tools on one table: the section of the page, and whether every goal was met."""
    table = read(name)
    if quick:
        table = BenchTable(table.name, table.X, table.y, table.groups, table.folds[:1], table.truth)
    hand_over(table, folder)
    rows, met = [], True
    for key in tools:
        tool = TOOLS[key]
        if tool.only and name not in tool.only:
            continue
        try:
            found = kept_or_run(key, table, folder)
        except PeerError as error:
            rows.append(Row(tool.label, verdict=str(error)[:60]))
            continue
        rows.append(judge(found, table, key))
        met &= rows[-1].met
        print(f"{name}: {rows[-1].label}: {', '.join(rows[-1].figures())}", flush=True)
    return section(table, rows), met


def judge(found: Scored, table: BenchTable, key: str) -> Row:
    """Score a tool fold by fold and hold its means against its goals."""
    auc, loss = (fold_mean(metric, found.score, table) for metric in ("roc_auc", "log_loss"))
    seconds = float(np.mean(found.seconds))
    processor = float(np.mean(found.processor)) if found.processor else float("nan")
    said, fine = [], True
    if (table.name, key) in GOALS:
        least, most, longest = GOALS[table.name, key]
        taken = seconds if key in BUDGETED else processor
        fine = auc >= least and loss <= most and taken <= longest
        said.append(
            f"AUC ≥ {least:g}" + (f", log loss ≤ {most:g}" if most < 1 else "") + f", ≤ {longest:g} s"
        )
        if taken <= longest < seconds:
            said.append("in processor seconds; **by the clock missed**")
    if table.truth is not None and key == "ours":
        share = auc / fold_mean("roc_auc", table.truth, table)
        said.append(f"{100 * share:.1f} % of the best achievable")
        if table.name in ACHIEVABLE:
            fine &= share >= ACHIEVABLE[table.name]
            said[-1] += f" (≥ {100 * ACHIEVABLE[table.name]:g} %)"
    verdict = "; ".join(said) + ("" if fine else " — **missed**")
    return Row(TOOLS[key].label, auc, loss, seconds, processor, verdict, fine)


def fold_mean(metric: str, score: npt.ArrayLike, table: BenchTable) -> float:
    """Return a metric's mean over the folds."""
    from ml_utils.evaluation.metrics import METRICS

    y, scores = table.y.to_numpy(float), np.clip(np.asarray(score, dtype=float), 0, 1)
    return float(np.mean([METRICS[metric].value(y[valid], scores[valid]) for _, valid in table.folds]))


def section(table: BenchTable, rows: Sequence[Row]) -> str:
    """Lay a table's comparison out, best AUC first."""
    about = f"{len(table.X):,} rows, {table.X.shape[1]} columns, {table.y.mean():.1%} positive"
    if table.truth is not None:
        best = fold_mean("roc_auc", table.truth, table)
        about += f"; scoring by the true probability gives AUC {best:.4f}"
    lines = [f"### {table.name}", "", f"{about}.", ""]
    lines.append("| tool | AUC | log loss | s a fold | processor s | wanted |")
    lines.append("|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda row: -np.nan_to_num(row.auc)):
        lines.append(f"| {' | '.join((row.label, *row.figures(), row.verdict))} |")
    return "\n".join(lines)


def main() -> int:
    """Compare, print and record; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--quick", action="store_true", help="one fold, no peers, nothing recorded")
    parser.add_argument("--keep", type=Path, help="folder where predictions are kept and looked for")
    parser.add_argument("--note", default="", help="what a reader must know of this run, put above it")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")  # the peers' and the boosters' own
    tools = [key for key in options.tools.split(",") if not (options.quick and TOOLS[key].peer)]
    sections, met = [], True
    with tempfile.TemporaryDirectory(prefix="octavo-bench-") as aside:
        folder = Path(aside) if options.quick or options.keep is None else options.keep
        folder.mkdir(parents=True, exist_ok=True)
        for name in options.tables.split(","):
            text, fine = measure(name, tools, folder, options.quick)
            sections.append(text)
            met &= fine
    if options.quick:
        print("\n\n".join(sections))
    else:
        record("Training", "\n\n".join([INTRO, *filter(None, [options.note]), *sections]))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())

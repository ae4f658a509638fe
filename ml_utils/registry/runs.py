"""What a search leaves in MLflow: a run, a child run a candidate, tables, and the chosen model's package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from ml_utils.errors import ParameterError
from ml_utils.files import sha256_bytes
from ml_utils.model import Model
from ml_utils.registry.description import describe_data, describe_model
from ml_utils.registry.package import MANIFEST, pack
from ml_utils.registry.pyfunc import mlflow_files
from ml_utils.registry.tracking import Tracking


@dataclass(frozen=True)
class CandidateRun:
    """One candidate of a search.

    Parameters
    ----------
    name : str
    params : mapping
    metrics : mapping
        Those that are not finite are left out.
    weights : mapping
        Of an ensemble's members; logged as parameters `weight_…`.
    tables : mapping
        Name to table, each kept as a CSV file.
    tags : mapping
    """

    name: str
    params: Mapping[str, object]
    metrics: Mapping[str, float]
    weights: Mapping[str, float] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def log_search(
    tracking: Tracking,
    params: Mapping[str, object],
    metrics: Mapping[str, float],
    leaderboard: pd.DataFrame,
    candidates: Sequence[CandidateRun],
    snapshot_sha256: str,
    tables: Mapping[str, pd.DataFrame],
    model: Model | None,
    example: pd.DataFrame | None,
) -> str:
    """Log a search and return its run's id; see `Registry.log_search`."""
    if (model is None) != (example is None):
        raise ParameterError("log_search takes `model` and `example` together; give both, or neither.")
    packed = {} if model is None or example is None else pack(model, example, tracking.name, snapshot_sha256)
    with tracking.guarded(), tracking.locked():
        parent = tracking.log_run("search", params, metrics, {"snapshot_sha256": snapshot_sha256})
        tracking.client.log_inputs(parent, [describe_data(tracking.name, snapshot_sha256)])
        files = _as_csv({"leaderboard": leaderboard, **tables})
        if model is not None and example is not None:
            files |= describe_model(model, example)
            packed |= mlflow_files(model, example, packed)
            tracking.upload(packed, parent, package_folder(packed))
        _log_files(tracking, parent, files)
        for candidate in candidates:
            _log_candidate(tracking, candidate, parent)
        return parent


def package_folder(packed: Mapping[str, bytes]) -> str:
    """Return where a package stands in a run: one folder for one content."""
    return f"model-{sha256_bytes(packed[MANIFEST])[:12]}"


def _log_candidate(tracking: Tracking, candidate: CandidateRun, parent: str) -> None:
    weights = {f"weight_{name}": round(weight, 6) for name, weight in candidate.weights.items()}
    tags = {"mlflow.parentRunId": parent, **candidate.tags}
    run = tracking.log_run(candidate.name, {**candidate.params, **weights}, candidate.metrics, tags)
    _log_files(tracking, run, _as_csv(candidate.tables))


def _log_files(tracking: Tracking, run_id: str, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        tracking.client.log_text(run_id, content, name)


def _as_csv(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    return {f"{name}.csv": table.to_csv(index=False) for name, table in tables.items()}

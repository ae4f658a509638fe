"""The store behind the registry: an SQLite file that is made whole, or a server that is asked first."""

from __future__ import annotations

import logging
import os
import re
import warnings
from pathlib import Path

from ml_utils.errors import RegistryError


def quiet_mlflow() -> tuple[type[Exception], ...]:
    """Import mlflow without telemetry and chatter; return what it raises when a store fails."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")  # a progress bar that we turn off
        from mlflow.artifacts import download_artifacts  # noqa: F401
        from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    for noisy in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return MlflowException, SQLAlchemyError, OSError, ImportError


def make_store(path: Path) -> None:
    """Make MLflow's database aside, then rename it: a process that is killed leaves none half-made."""
    if path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        store = SqlAlchemyStore(f"sqlite:///{aside}", (path.parent / "artifacts").as_uri())
        store.engine.dispose()
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def reach(uri: str) -> None:
    """Ask a server for its health once; MLflow itself would go on trying for minutes."""
    import httpx

    try:
        status = httpx.get(f"{uri.rstrip('/')}/health", timeout=5).status_code
    except httpx.HTTPError as error:
        raise RegistryError(
            f"The registry at {public(uri)} cannot be reached: {error}. Start it, or unset "
            "MLFLOW_TRACKING_URI to use the embedded one under data/mlflow."
        ) from error
    if status >= 500:
        raise RegistryError(f"The registry at {public(uri)} answers {status}; see its log.")


def public(uri: str) -> str:
    return re.sub(r"//([^:/@]*):[^@/]*@", r"//\1:***@", uri)

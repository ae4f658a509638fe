"""The way to MLflow: one experiment of one store, its runs and their files, and errors that say where."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ml_utils.errors import RegistryError
from ml_utils.paths import mlflow_folder
from ml_utils.registry.package import read_folder
from ml_utils.registry.store import make_store, public, quiet_mlflow, reach

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Tracking:
    """An MLflow store and the experiment in it that belongs to one workspace.

    Parameters
    ----------
    name : str
        Name of the experiment.
    tracking_uri : str, optional
        An MLflow server or database; by default MLFLOW_TRACKING_URI, else SQLite under data/mlflow.
    """

    def __init__(self, name: str, tracking_uri: str | None = None) -> None:
        self.name = name
        default = f"sqlite:///{mlflow_folder() / 'mlflow.db'}"
        self.uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or default

    @property
    def remote(self) -> bool:
        """Whether the store is a server, not a database that this process opens itself."""
        return self.uri.startswith(("http://", "https://"))

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client of the store; an SQLite file that is not there is made."""
        if self.remote:
            reach(self.uri)
        from mlflow import MlflowClient

        if self.uri.startswith("sqlite:///"):
            with self.locked():
                make_store(Path(self.uri.removeprefix("sqlite:///")))
        return MlflowClient(self.uri, registry_uri=self.uri)

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn what MLflow and its database raise into one error that says where."""
        expected = quiet_mlflow()
        try:
            _ = self.client
            yield
        except expected as error:
            what = (str(error).splitlines() or [type(error).__name__])[0]
            raise RegistryError(
                f"The registry at {public(self.uri)} cannot be used: {what.rstrip('. ')}. "
                "Check that it is running and that MLFLOW_TRACKING_URI is right (unset, it is data/mlflow)."
            ) from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes of this machine out while the store is changed."""
        import fcntl

        folder = mlflow_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def log_run(
        self,
        name: str,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> str:
        """Log a finished run and return its id."""
        run = self.start_run(name, params, metrics, tags)
        self.client.set_terminated(run)
        return run

    def start_run(
        self,
        name: str,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> str:
        """Log a run that files are still to be added to, and return its id."""
        from mlflow.entities import Metric, Param

        run = self.client.create_run(self.experiment(), run_name=name, tags=dict(tags))
        now = run.info.start_time
        self.client.log_batch(
            run.info.run_id,
            metrics=[Metric(key, value, now, 0) for key, value in finite(metrics).items()],
            params=[Param(key, str(value)[:6000]) for key, value in params.items()],
        )
        return run.info.run_id

    def experiment(self) -> str:
        """Return the id of the experiment, which is made where it is not there."""
        found = self.client.get_experiment_by_name(self.name)
        if found is None:
            location = None if self.remote else (mlflow_folder() / "artifacts" / self.name).as_uri()
            return self.client.create_experiment(self.name, artifact_location=location)
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return found.experiment_id

    def upload(self, files: Mapping[str, bytes], run_id: str, folder: str) -> str:
        """Store files with a run and return where they are; a folder that is whole is left as it is."""
        if len(self.client.list_artifacts(run_id, folder)) == len(files):
            return f"{self.client.get_run(run_id).info.artifact_uri}/{folder}"
        with tempfile.TemporaryDirectory() as aside:
            for name, content in files.items():
                (Path(aside) / name).write_bytes(content)
            self.client.log_artifacts(run_id, aside, folder)
        return f"{self.client.get_run(run_id).info.artifact_uri}/{folder}"

    def download(self, source: str, where: str) -> dict[str, bytes]:
        """Read the files of a folder of the store.

        Raises
        ------
        RegistryError
            If they are not there.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        with tempfile.TemporaryDirectory() as aside:
            try:
                local = download_artifacts(source, dst_path=aside, tracking_uri=self.uri)
                return read_folder(Path(local))
            except (MlflowException, OSError) as error:
                raise RegistryError(
                    f"The files of {where} are not at {source}. Restore them, or run `make report` to make "
                    "them again."
                ) from error


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Leave out what is not a finite number: not every store takes it."""
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}

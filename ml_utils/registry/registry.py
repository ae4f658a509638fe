"""The model registry: what was searched, which versions there are, which one is champion and why.

No other package imports mlflow. The embedded store is one SQLite file; MLFLOW_TRACKING_URI names another.
`python -m ml_utils.registry ui` opens MLflow's pages on it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from ml_utils.files import sha256_bytes
from ml_utils.model import Model
from ml_utils.paths import Workspace, mlflow_folder
from ml_utils.registry import feature_sets as stored
from ml_utils.registry import runs, versions
from ml_utils.registry.champions import Champions
from ml_utils.registry.package import MANIFEST, pack, unpack
from ml_utils.registry.promotions import PromotionLog
from ml_utils.registry.pyfunc import mlflow_files
from ml_utils.registry.registered import RegisteredModel, StoredFiles
from ml_utils.registry.runs import CandidateRun
from ml_utils.registry.tracking import Tracking, finite
from ml_utils.registry.versions import CHALLENGER, CHAMPION, SHA

if TYPE_CHECKING:
    from ml_utils.features.feature_set import FeatureSet

__all__ = ["CHALLENGER", "CHAMPION", "CandidateRun", "RegisteredModel", "Registry"]

logger = logging.getLogger(__name__)


class Registry(Champions):
    """The runs and versions of one workspace's model.

    Parameters
    ----------
    workspace : Workspace
        Its name is the name of the experiment and of the registered model.
    tracking_uri : str, optional
        An MLflow server or database; by default MLFLOW_TRACKING_URI, else SQLite under data/mlflow.
    """

    def __init__(self, workspace: Workspace, tracking_uri: str | None = None) -> None:
        log = PromotionLog(mlflow_folder() / "promotions" / f"{workspace.name}.jsonl")
        super().__init__(Tracking(workspace.name, tracking_uri), log)

    def check(self) -> None:
        """Make sure that the registry answers; call it before a long training.

        Raises
        ------
        RegistryError
            If it cannot be reached.
        """
        with self.tracking.guarded():
            self._client.search_registered_models(max_results=1)

    def log_search(
        self,
        *,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        leaderboard: pd.DataFrame,
        candidates: list[CandidateRun],
        snapshot_sha256: str,
        tables: Mapping[str, pd.DataFrame] | None = None,
        model: Model | None = None,
        example: pd.DataFrame | None = None,
    ) -> str:
        """Log a search as a run, with a child run for each candidate.

        Parameters
        ----------
        params, metrics : mapping
            Of the search as a whole.
        leaderboard : DataFrame
            Kept with the run as leaderboard.csv.
        candidates : list of CandidateRun
        snapshot_sha256 : str
            Hash of the data; kept as a tag and as the run's input.
        tables : mapping, optional
            Name to table, each kept as a CSV file.
        model : Model, optional
            The chosen one: its package, signature and input example are kept with the run.
        example : DataFrame, optional
            Training rows, with `model`.

        Returns
        -------
        str
            The run's id.
        """
        return runs.log_search(
            self.tracking,
            params,
            metrics,
            leaderboard,
            candidates,
            snapshot_sha256,
            tables or {},
            model,
            example,
        )

    def log_feature_set(self, feature_set: FeatureSet) -> str:
        """Log a feature set: keys, features, dictionary, recipe and the fitted engineer.

        Parameters
        ----------
        feature_set : FeatureSet
            With its engineer.

        Returns
        -------
        str
            The run's id. A version that is there is not logged again: the id is that of its run.

        Raises
        ------
        RegistryError
            If the registry cannot be reached, or the engineer cannot be written to a file.
        """
        return stored.log_feature_set(self.tracking, feature_set)

    def feature_sets(self) -> pd.DataFrame:
        """Return one row a feature set, newest first: version, created, features, rows, snapshot, run."""
        return stored.feature_sets(self.tracking)

    def load_feature_set(self, version: str | None = None, *, engineer: bool = True) -> FeatureSet:
        """Read a feature set once all its files match the hashes that the registry recorded.

        Parameters
        ----------
        version : str, optional
            The version, or its first six or more characters; by default the newest.
        engineer : bool
            Whether to unpickle the engineer. Its table alone needs none of the libraries it was fitted with.

        Raises
        ------
        RegistryError
            If there is no such feature set, or its files are gone.
        IntegrityError
            If a file was changed; nothing has been unpickled then.
        """
        return stored.load_feature_set(self.tracking, version, engineer)

    def register(
        self,
        model: Model,
        *,
        run_id: str | None,
        metrics: Mapping[str, float],
        snapshot_sha256: str,
        example: pd.DataFrame,
    ) -> int:
        """Store a model as a new version; the alias challenger then names it.

        Parameters
        ----------
        model : Model
        run_id : str or None
            The run it came from; None makes one.
        metrics : mapping
            Kept with the version.
        snapshot_sha256 : str
            Hash of the data it was trained on.
        example : DataFrame
            The training rows: types, ranges and categories that the service checks are drawn from them.

        Returns
        -------
        int
            The version.

        Raises
        ------
        RegistryError
            If the registry cannot be reached, or the pipeline cannot be written to a file.
        """
        files = pack(model, example, self.name, snapshot_sha256)
        digest = sha256_bytes(files[MANIFEST])
        files |= mlflow_files(model, example, files)
        tags = {
            SHA: digest,
            "snapshot_sha256": snapshot_sha256,
            "candidate": model.name,
            "metrics": json.dumps(finite(metrics)),
        }
        with self.tracking.guarded(), self.tracking.locked():
            run = run_id or self.tracking.log_run("register", {"candidate": model.name}, metrics, {})
            source = self.tracking.upload(files, run, runs.package_folder(files))
            self._make_model()
            made = self._client.create_model_version(self.name, source=source, run_id=run, tags=tags)
            self._client.set_registered_model_alias(self.name, CHALLENGER, str(made.version))
        logger.info("registered %s version %s (%s)", self.name, made.version, model.name)
        return int(made.version)

    def load(self, which: str | int) -> RegisteredModel:
        """Load a version once all its files match the hashes that the registry recorded.

        Parameters
        ----------
        which : str or int
            "champion", "challenger", or a version.

        Raises
        ------
        RegistryError
            If there is no such version or alias, or its files are gone.
        IntegrityError
            If a file was changed; nothing has been unpickled then.
        """
        files, digest, version = self.files(which)
        loaded = unpack(files, digest, f"{self.name} version {version}")
        return RegisteredModel(
            self.name, version, loaded.model, loaded.schema, loaded.manifest, digest, files
        )

    def files(self, which: str | int) -> StoredFiles:
        """Read a version's files and hold each against its hash; nothing of them is unpickled.

        Parameters
        ----------
        which : str or int
            "champion", "challenger", or a version.

        Returns
        -------
        StoredFiles
            Content by name, the manifest's hash as the registry records it, and the version.

        Raises
        ------
        RegistryError, IntegrityError
            As for `load`.
        """
        return versions.files(self.tracking, which)

    def attach(self, which: str | int, files: Mapping[str, str]) -> str:
        """Keep text files, such as a model card, with the run of a version; one of the same name is replaced.

        Parameters
        ----------
        which : str or int
            An alias or a version.
        files : mapping
            File name to content.

        Returns
        -------
        str
            The folder in the run: one a version, apart from the model's own hashed files.

        Raises
        ------
        RegistryError
            If there is no such version, or the registry cannot be reached.
        """
        found = versions.find(self.tracking, which)
        folder = f"about/version-{found.version}"
        with self.tracking.guarded(), self.tracking.locked():
            for name, content in files.items():
                self._client.log_text(str(found.run_id), content, f"{folder}/{name}")
            self._client.set_model_version_tag(self.name, str(found.version), "about", folder)
        return folder

    def versions(self) -> pd.DataFrame:
        """Return one row a version: candidate, aliases, state, when, run, data and metrics."""
        return versions.listing(self.tracking)

    @property
    def tracking_uri(self) -> str:
        """Where the registry is: a server or a database."""
        return self.tracking.uri

    @property
    def remote(self) -> bool:
        """Whether the registry is a server, not a database that this process opens itself."""
        return self.tracking.remote

    def _make_model(self) -> None:
        if versions.registered(self.tracking) is None:
            self._client.create_registered_model(self.name)

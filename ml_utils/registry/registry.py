"""The model registry: what was searched, which versions there are, which one is champion and why.

No other package imports mlflow. The embedded store is one SQLite file; MLFLOW_TRACKING_URI names another.
`python -m ml_utils.registry ui` opens MLflow's pages on it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

import pandas as pd

from ml_utils.errors import ParameterError, RegistryError, list_known
from ml_utils.files import sha256_bytes
from ml_utils.model import Model
from ml_utils.paths import Workspace, mlflow_folder
from ml_utils.registry import feature_sets as stored
from ml_utils.registry.description import describe_data, describe_model
from ml_utils.registry.inputs import InputSchema
from ml_utils.registry.package import MANIFEST, Manifest, pack, unpack
from ml_utils.registry.promotions import Promotion, PromotionLog
from ml_utils.registry.tracking import Tracking, finite

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from ml_utils.features.feature_set import FeatureSet

logger = logging.getLogger(__name__)

CHAMPION, CHALLENGER = "champion", "challenger"
_SHA, _HEAD = "manifest_sha256", "promotion_log_head"


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


@dataclass(frozen=True)
class RegisteredModel:
    """A version of a model, verified and loaded.

    Parameters
    ----------
    name : str
        Name of the registered model.
    version : int
    model : Model
    schema : InputSchema
        What it expects of its raw columns.
    manifest : Manifest
    sha256 : str
        Hash of the manifest, as the registry records it.
    files : mapping
        The package's files, as verified.
    """

    name: str
    version: int
    model: Model
    schema: InputSchema = field(repr=False)
    manifest: Manifest = field(repr=False)
    sha256: str
    files: Mapping[str, bytes] = field(repr=False)


class Registry:
    """The runs and versions of one workspace's model.

    Parameters
    ----------
    workspace : Workspace
        Its name is the name of the experiment and of the registered model.
    tracking_uri : str, optional
        An MLflow server or database; by default MLFLOW_TRACKING_URI, else SQLite under data/mlflow.
    """

    def __init__(self, workspace: Workspace, tracking_uri: str | None = None) -> None:
        self.name = workspace.name
        self.tracking = Tracking(workspace.name, tracking_uri)
        self.log = PromotionLog(mlflow_folder() / "promotions" / f"{self.name}.jsonl")

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
        if (model is None) != (example is None):
            raise ParameterError("log_search takes `model` and `example` together; give both, or neither.")
        packed = pack(model, example, self.name, snapshot_sha256) if model and example is not None else {}
        with self.tracking.guarded(), self.tracking.locked():
            parent = self.tracking.log_run("search", params, metrics, {"snapshot_sha256": snapshot_sha256})
            self._client.log_inputs(parent, [describe_data(self.name, snapshot_sha256)])
            files = _as_csv({"leaderboard": leaderboard, **(tables or {})})
            if packed:
                files |= describe_model(model, example)  # type: ignore[arg-type]
                self.tracking.upload(packed, parent, _folder(packed))
            self._log_files(parent, files)
            for candidate in candidates:
                self._log_candidate(candidate, parent)
            return parent

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
        tags = {
            _SHA: digest,
            "snapshot_sha256": snapshot_sha256,
            "candidate": model.name,
            "metrics": json.dumps(finite(metrics)),
        }
        with self.tracking.guarded(), self.tracking.locked():
            run = run_id or self.tracking.log_run("register", {"candidate": model.name}, metrics, {})
            source = self.tracking.upload(files, run, _folder(files))
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
        found = self._find(which)
        where = f"{self.name} version {found.version}"
        digest = found.tags.get(_SHA)
        if digest is None:
            raise RegistryError(
                f"{where} has no recorded hash: it was not registered here. Register it again."
            )
        with self.tracking.guarded():
            source = self._client.get_model_version_download_uri(self.name, str(found.version))
            files = self.tracking.download(source, where)
        loaded = unpack(files, digest, where)
        return RegisteredModel(
            self.name, int(found.version), loaded.model, loaded.schema, loaded.manifest, digest, files
        )

    def promote(
        self, version: int, *, reason: str, who: str = "notebook", metrics: Mapping[str, float] | None = None
    ) -> None:
        """Make a version the champion and log it; promoting the present champion changes nothing.

        Parameters
        ----------
        version : int
        reason, who : str
            For the log.
        metrics : mapping, optional
            What the decision rested on.

        Raises
        ------
        RegistryError
            If there is no such version.
        """
        self._find(version)
        with self.tracking.guarded(), self.tracking.locked():
            before = self.alias(CHAMPION)
            if before == version:
                return
            self._change("promote", before, version, reason, who, metrics or {})

    def rollback(self, *, reason: str, who: str = "notebook") -> int:
        """Make the champion before this one champion again, and log it.

        Returns
        -------
        int
            The version that is champion now.

        Raises
        ------
        RegistryError
            If there was no champion before.
        """
        with self.tracking.guarded(), self.tracking.locked():
            now = self.alias(CHAMPION)
            past = [version for version in self.log.champions() if version != now]
            if now is None or not past:
                raise RegistryError(f"{self.name} has no champion to go back to; see history().")
            self._change("rollback", now, past[-1], reason, who, {})
            return past[-1]

    def alias(self, name: str) -> int | None:
        """Return the version that an alias names, or None."""
        with self.tracking.guarded():
            model = self._registered()
            version = model.aliases.get(name) if model is not None else None
            return None if version is None else int(version)

    def history(self) -> pd.DataFrame:
        """Return every change of the champion, oldest first.

        Raises
        ------
        IntegrityError
            If the log was tampered with.
        """
        return self.log.to_frame()

    def verify_history(self) -> int:
        """Check that the promotion log is whole and unchanged; return how many entries it has.

        Raises
        ------
        IntegrityError
            If it is not.
        """
        with self.tracking.guarded():
            model = self._registered()
        return self.log.verify(model.tags.get(_HEAD) if model is not None else None)

    def versions(self) -> pd.DataFrame:
        """Return one row a version: candidate, aliases, when, run, data and metrics."""
        with self.tracking.guarded():
            model = self._registered()
            found = self._client.search_model_versions(f"name='{self.name}'") if model is not None else []
        aliases: dict[int, list[str]] = {}
        for alias, version in sorted(model.aliases.items()) if model is not None else []:
            aliases.setdefault(int(version), []).append(alias)
        rows = [_row(item, aliases) for item in sorted(found, key=lambda item: int(item.version))]
        columns = ["version", "candidate", "aliases", "created", "run_id", "snapshot_sha256", "metrics"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def tracking_uri(self) -> str:
        """Where the registry is: a server or a database."""
        return self.tracking.uri

    @property
    def remote(self) -> bool:
        """Whether the registry is a server, not a database that this process opens itself."""
        return self.tracking.remote

    @property
    def _client(self) -> MlflowClient:
        return self.tracking.client

    def _change(
        self,
        action: Any,
        before: int | None,
        after: int,
        reason: str,
        who: str,
        metrics: Mapping[str, float],
    ) -> None:
        when = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = Promotion(when, who, action, before, after, reason, finite(metrics))
        head = self.log.append(entry)  # first, so that no change goes without its line
        self._client.set_registered_model_alias(self.name, CHAMPION, str(after))
        self._client.set_registered_model_tag(self.name, _HEAD, head)
        logger.info("%s: %s %s -> %s (%s)", self.name, action, before, after, reason)

    def _make_model(self) -> None:
        if self._registered() is None:
            self._client.create_registered_model(self.name)

    def _registered(self) -> Any:
        found = self._client.search_registered_models(f"name='{self.name}'")
        return found[0] if found else None

    def _log_candidate(self, candidate: CandidateRun, parent: str) -> None:
        weights = {f"weight_{name}": round(weight, 6) for name, weight in candidate.weights.items()}
        tags = {"mlflow.parentRunId": parent, **candidate.tags}
        run = self.tracking.log_run(candidate.name, {**candidate.params, **weights}, candidate.metrics, tags)
        self._log_files(run, _as_csv(candidate.tables))

    def _log_files(self, run_id: str, files: Mapping[str, str]) -> None:
        for name, content in files.items():
            self._client.log_text(run_id, content, name)

    def _find(self, which: str | int) -> ModelVersion:
        with self.tracking.guarded():
            model = self._registered()
            aliases = {} if model is None else {name: int(version) for name, version in model.aliases.items()}
            version = int(which) if str(which).isdecimal() else aliases.get(str(which))
            found = [] if model is None else self._client.search_model_versions(f"name='{self.name}'")
        for item in found:
            if int(item.version) == version:
                return item
        self._unknown(which, aliases, [str(item.version) for item in found])

    def _unknown(self, which: str | int, aliases: Mapping[str, int], versions: list[str]) -> NoReturn:
        if not versions:
            raise RegistryError(
                f"The registry has no model {self.name} yet. Run `make report`: notebook 2 registers one, "
                "notebook 3 promotes it."
            )
        if which == CHAMPION:
            raise RegistryError(
                f"{self.name} has no champion yet. Run `make report`: notebook 3 promotes a version that "
                "passes its gates."
            )
        known = [*aliases, *sorted(versions, key=int)]
        raise RegistryError(f"{self.name} has no version or alias {which!r}. {list_known(str(which), known)}")


def _folder(packed: Mapping[str, bytes]) -> str:
    """Return where a package stands in a run: one folder for one content."""
    return f"model-{sha256_bytes(packed[MANIFEST])[:12]}"


def _as_csv(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    return {f"{name}.csv": table.to_csv(index=False) for name, table in tables.items()}


def _row(item: ModelVersion, aliases: Mapping[int, list[str]]) -> dict[str, object]:
    version = int(item.version)
    return {
        "version": version,
        "candidate": item.tags.get("candidate", ""),
        "aliases": ", ".join(aliases.get(version, [])),
        "created": pd.Timestamp(item.creation_timestamp, unit="ms", tz="UTC"),
        "run_id": item.run_id,
        "snapshot_sha256": item.tags.get("snapshot_sha256", ""),
        "metrics": json.loads(item.tags.get("metrics", "{}")),
    }

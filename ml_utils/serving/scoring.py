"""The scorer: one definition of the features for one row and for a million, checked against the schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, IntegrityError, MissingInputError
from ml_utils.model import Model
from ml_utils.registry.inputs import InputSchema, InputWarning
from ml_utils.registry.package import Manifest, read_folder, unpack

RELEASE = "release.json"  # which version a packaged folder is; the registry's word, so not in the manifest


@dataclass(frozen=True)
class Scored:
    """Scores of some rows, and what was unusual about them.

    Parameters
    ----------
    scores : ndarray of shape (n_rows,)
        P(positive), or the predicted value.
    act : ndarray of shape (n_rows,) or None
        Whether the score reaches the threshold; None for a regression.
    warnings : tuple of InputWarning
        Values that training never saw.
    """

    scores: np.ndarray
    act: np.ndarray | None
    warnings: tuple[InputWarning, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a scored row: score and, for a decision, act."""
        columns = {"score": self.scores} | ({} if self.act is None else {"act": self.act})
        return pd.DataFrame(columns)


class Scorer:
    """Scores raw rows with the very pipeline that was trained.

    Parameters
    ----------
    model : Model
    schema : InputSchema
        What the model expects of its raw columns.
    manifest : Manifest
    sha256 : str
        Hash of the manifest.
    version : int, optional
        Version in the registry.
    """

    def __init__(
        self, model: Model, schema: InputSchema, manifest: Manifest, sha256: str, version: int | None = None
    ) -> None:
        self.model = model
        self.schema = schema
        self.manifest = manifest
        self.sha256 = sha256
        self.version = version

    @classmethod
    def from_package(cls, folder: str | Path, sha256: str | None = None) -> Scorer:
        """Load a packaged model once all its files match their hashes.

        Parameters
        ----------
        folder : str or Path
            A folder that `ModelDeployment.package` wrote.
        sha256 : str, optional
            Hash of the manifest, from a place that you trust; by default what the folder's own release.json
            says, which finds damage but not a deliberate change.

        Raises
        ------
        MissingInputError
            If there is no package.
        IntegrityError
            If a file was changed; nothing has been unpickled then.
        """
        path = Path(folder)
        if not (path / RELEASE).is_file():
            raise MissingInputError(
                f"{path} holds no packaged model ({RELEASE} is missing). Notebook 4 writes one: run "
                "`make report`, or name the right folder."
            )
        files = read_folder(path)
        release = _read_release(files[RELEASE], path)
        loaded = unpack(files, sha256 or release["manifest_sha256"], str(path))
        return cls(loaded.model, loaded.schema, loaded.manifest, loaded.sha256, int(release["version"]))

    def score(self, X: pd.DataFrame | Sequence[Mapping[str, object]]) -> np.ndarray:
        """Return the score of each raw row.

        Parameters
        ----------
        X : DataFrame or sequence of mappings

        Returns
        -------
        ndarray of shape (n_rows,), float64

        Raises
        ------
        DataError
            If a column is missing or of the wrong type.
        """
        return self.model.predict_score(self.schema.prepare(X)) if len(X) else np.empty(0)

    def score_one(self, row: Mapping[str, object]) -> float:
        """Return the score of one raw row, given as column → value (None where unknown)."""
        return float(self.score([row])[0])

    def check(self, X: pd.DataFrame | Sequence[Mapping[str, object]]) -> Scored:
        """Score raw rows and say what training never saw.

        Raises
        ------
        DataError
            If a column is missing or of the wrong type, or there are no rows.
        """
        if not len(X):
            raise DataError("There are no rows to score; send at least one.")
        table = self.schema.prepare(X)
        scores = self.model.predict_score(table)
        return Scored(scores, self.decide(scores), tuple(self.schema.warnings(table)))

    def decide(self, scores: np.ndarray) -> np.ndarray | None:
        """Return whether each score reaches the threshold; None where the model decides nothing."""
        return None if self.model.threshold is None else scores >= self.model.threshold


def _read_release(content: bytes, folder: Path) -> dict[str, str]:
    try:
        release = json.loads(content)
        return {key: str(release[key]) for key in ("version", "manifest_sha256")}
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{folder / RELEASE} is damaged ({error!r}); package the model again."
        ) from error

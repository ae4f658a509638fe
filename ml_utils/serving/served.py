"""A packaged model as the service holds it: compiled, or the pipeline itself where that was allowed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ml_utils.errors import IntegrityError, MissingInputError, ServiceError
from ml_utils.registry.verification import read_folder

if TYPE_CHECKING:
    from ml_utils.registry.input_columns import InputColumn
    from ml_utils.serving.scoring import Scorer

RELEASE, MANIFEST, COMPILED, CARD = "release.json", "manifest.json", "compiled.json", "model_card.md"
Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Unusual:
    """A value that training never saw. It is scored all the same, and said."""

    column: str
    check: str
    rows: int
    message: str


class Scores(Protocol):
    """What the service asks of a scorer; `CompiledScorer` and `PipelineScorer` have it."""

    @property
    def task(self) -> str:
        """Kind of target."""

    @property
    def threshold(self) -> float | None:
        """Score from which to act."""

    @property
    def name(self) -> str:
        """Candidate, like "lightgbm"."""

    @property
    def columns(self) -> Sequence[InputColumn]:
        """Raw columns, in order."""

    @property
    def explains(self) -> bool:
        """Whether `explain_rows` works."""

    def score_one(self, row: Row) -> float:
        """Score a row."""

    def score_rows(self, rows: Sequence[Row]) -> np.ndarray:
        """Score rows."""

    def unusual(self, row: Row) -> list[tuple[str, str, str]]:
        """Say what training never saw: column, check, message."""

    def explain_rows(self, rows: Sequence[Row]) -> tuple[float, list[dict[str, float]]]:
        """Return the base and each row's contributions by column."""


class PipelineScorer:
    """The pickled pipeline behind the same interface: slower, and it needs the full install."""

    explains = False

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.task: str = scorer.model.task
        self.threshold = scorer.model.threshold
        self.name = scorer.model.name
        self.columns = scorer.schema.columns

    def score_one(self, row: Row) -> float:
        """Score a row."""
        return self._scorer.score_one(row)

    def score_rows(self, rows: Sequence[Row]) -> np.ndarray:
        """Score rows."""
        return self._scorer.score(rows)

    def unusual(self, row: Row) -> list[tuple[str, str, str]]:
        """Say what training never saw."""
        schema = self._scorer.schema
        return [(item.column, item.check, item.message) for item in schema.warnings(schema.prepare([row]))]

    def explain_rows(self, rows: Sequence[Row]) -> tuple[float, list[dict[str, float]]]:
        """Refuse: a pipeline has no closed form of its contributions."""
        raise ServiceError("This model is served by its pipeline, which explains nothing; compile it.")


@dataclass(frozen=True)
class Served:
    """A verified model, ready to score.

    Parameters
    ----------
    model : str
        Name in the registry.
    version : int or None
        Version in the registry.
    sha256 : str
        Hash of the manifest.
    manifest : dict
    scorer : Scores
    compiled : bool
        False where the pipeline itself scores: too slow for the event loop.
    inputs : list of dict
        The raw columns as JSON.
    card : str or None
        The model card, where the package has one.
    """

    model: str
    version: int | None
    sha256: str
    manifest: Mapping[str, object]
    scorer: Scores
    compiled: bool
    inputs: Sequence[Mapping[str, object]]
    card: str | None = None

    @property
    def code(self) -> str:
        """Version of the package that made it."""
        return str(self.manifest.get("code", "0"))

    def example(self) -> dict[str, object]:
        """Return a typical row."""
        return {column.name: column.typical for column in self.scorer.columns}

    def one(self, row: Row) -> tuple[float, list[Unusual]]:
        """Score a row and say what training never saw."""
        scorer = self.scorer
        return scorer.score_one(row), [Unusual(c, check, 1, said) for c, check, said in scorer.unusual(row)]

    def many(self, rows: Sequence[Row]) -> tuple[list[float], list[Unusual]]:
        """Score rows and say what training never saw, once a column and check."""
        scores = self.scorer.score_rows(rows).tolist()
        found: dict[tuple[str, str], tuple[int, str]] = {}
        for row in rows:
            for column, check, message in self.scorer.unusual(row):
                count, first = found.get((column, check), (0, message))
                found[column, check] = count + 1, first
        return scores, [Unusual(column, check, n, said) for (column, check), (n, said) in found.items()]

    def act(self, score: float) -> bool | None:
        """Return whether the score reaches the threshold."""
        threshold = self.scorer.threshold
        return None if threshold is None else score >= threshold

    def warm(self) -> Served:
        """Score once, so that the first caller does not wait for what is set up on first use.

        Raises
        ------
        ServiceError
            If a typical row gets no finite score.
        """
        score, _ = self.one(self.example())
        if not math.isfinite(score):
            raise ServiceError(
                f"{self.model} version {self.version} scores a typical row {score}; not served."
            )
        return self


def from_scorer(scorer: Scorer) -> Served:
    """Serve a pipeline that is loaded already."""
    manifest = asdict(scorer.manifest)
    inputs = scorer.schema.to_json()
    name = scorer.manifest.model
    return Served(name, scorer.version, scorer.sha256, manifest, PipelineScorer(scorer), False, inputs)


def read_package(folder: Path, sha256: str | None, allow_pipeline: bool) -> Served:
    """Read a packaged model and verify every file before anything of it is used.

    Parameters
    ----------
    folder : Path
        A folder that `ModelDeployment.package` wrote.
    sha256 : str or None
        Hash that its manifest must have; by default what its own release.json says, which finds damage but
        not a deliberate change.
    allow_pipeline : bool
        Whether a model that is not compiled may be unpickled.

    Raises
    ------
    MissingInputError
        If there is no package.
    IntegrityError
        If a file was changed; nothing of it was loaded.
    ServiceError
        If the model is not compiled and its pipeline was not allowed.
    """
    if not (folder / RELEASE).is_file():
        raise MissingInputError(
            f"{folder} holds no packaged model ({RELEASE} is missing). Notebook 4 writes one: run "
            "`make report`, or name the right folder."
        )
    files = read_folder(folder)
    if COMPILED in files:
        return from_files(files, sha256)
    if not allow_pipeline:
        raise not_allowed(str(folder), files)
    from ml_utils.serving.scoring import Scorer

    return from_scorer(Scorer.from_package(folder, sha256))


def _card(files: Mapping[str, bytes]) -> str | None:
    """Return the model card, which is written after the model is registered: release.json holds its hash."""
    release = json.loads(files[RELEASE]) if RELEASE in files else {}
    expected = release.get("card_sha256")
    if expected is None:
        return None
    if CARD not in files or hashlib.sha256(files[CARD]).hexdigest() != expected:
        raise IntegrityError(
            f"{CARD} is missing or was changed after it was packaged; package the model again."
        )
    return files[CARD].decode()


def from_files(files: Mapping[str, bytes], sha256: str | None, version: int | None = None) -> Served:
    """Verify the files of a compiled model and make it ready; nothing is unpickled.

    Raises
    ------
    IntegrityError
        If a file was changed.
    """
    from ml_utils.compiled.package import PackagedModel

    found = PackagedModel.read(files, sha256)
    manifest = found.manifest
    card = _card(files)
    number = found.version if version is None else version
    inputs = found.about["inputs"]
    return Served(str(manifest["model"]), number, found.sha256, manifest, found.scorer, True, inputs, card)


def not_allowed(where: str, files: Mapping[str, bytes]) -> ServiceError:
    """Say that a model is not compiled, why, and what serves it all the same."""
    return ServiceError(
        f"{where} holds a model that is not compiled{_reason(files)}. The service unpickles nothing "
        "unless it is started with --allow-pipeline, in a full install; or package the model again."
    )


def _reason(files: Mapping[str, bytes]) -> str:
    try:
        said = json.loads(files[MANIFEST]).get("not_compiled")
    except (KeyError, ValueError, AttributeError):
        raise IntegrityError(f"{MANIFEST} is missing or damaged; package the model again.") from None
    return f" ({said})" if said else ""

"""ModelDeployment: a registered model becomes a package, a service, scores, and files for production."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ml_utils.batch.scoring import packaged
from ml_utils.compiled.scorer import CompiledScorer
from ml_utils.data.schema import features_and_target
from ml_utils.data.splits import read_split
from ml_utils.errors import DataError, MissingInputError
from ml_utils.files import sha256_bytes, write_text
from ml_utils.paths import Workspace
from ml_utils.problem import FileSource, Problem
from ml_utils.registry.inputs import InputSchema
from ml_utils.registry.registry import RegisteredModel
from ml_utils.serving.batch import BatchScore, batch_score
from ml_utils.serving.bodies import MAX_ROWS, accepts
from ml_utils.serving.keys import VARIABLE, Key
from ml_utils.serving.load_test import LoadTest, load_test
from ml_utils.serving.manifests import write_manifests
from ml_utils.serving.one_case import Case
from ml_utils.serving.parity import Package, Parity, compare, compare_compiled, json_rows
from ml_utils.serving.process import start, stop, wait_ready
from ml_utils.serving.scoring import RELEASE, Scorer
from ml_utils.serving.served import CARD


class ModelDeployment:
    """Brings a registered model into production.

    Parameters
    ----------
    workspace : Workspace
    problem : Problem
    """

    def __init__(self, workspace: Workspace, problem: Problem) -> None:
        self.workspace = workspace
        self.problem = problem

    @property
    def folder(self) -> Path:
        """Where the package is."""
        return self.workspace.processed / "package"

    def package(self, registered: RegisteredModel, card: str | None = None) -> Package:
        """Write a model's files, once their scores on the test split equal the pipeline's.

        Parameters
        ----------
        registered : RegisteredModel
            From `Registry.load`.
        card : str, optional
            The model card, as Markdown; the service's /model shows it.

        Returns
        -------
        Package

        Raises
        ------
        IntegrityError
            If a score differs by more than 1e-6; the package before stays in place.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".package-", dir=self.folder.parent))
        try:
            for name, content in registered.files.items():
                (aside / name).write_bytes(content)
            release: dict[str, object] = {
                "model": registered.name,
                "version": registered.version,
                "manifest_sha256": registered.sha256,
            }
            if card is not None:
                write_text(aside / CARD, card)
                release["card_sha256"] = sha256_bytes(card.encode())
            write_text(aside / RELEASE, json.dumps(release, indent=2) + "\n")
            parity = self._parity(registered, Scorer.from_package(aside, registered.sha256))
            aside.chmod(0o755)
            _put_in_place(aside, self.folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        files = {path.name: path.stat().st_size for path in sorted(self.folder.iterdir())}
        manifest = registered.manifest
        return Package(
            self.folder, registered.version, registered.sha256, files, parity, manifest.compiled,
            manifest.not_compiled,
        )  # fmt: skip

    @contextlib.contextmanager
    def serve(
        self,
        port: int = 0,
        package: Package | None = None,
        keys: Sequence[Key] = (),
        log: str | Path | None = None,
    ) -> Iterator[str]:
        """Run the real service on 127.0.0.1 while the context lasts.

        Parameters
        ----------
        port : int
            0 takes one that is free.
        package : Package, optional
            What to serve; its hash is required of the files. By default what lies in the folder.
        keys : sequence of Key
            API keys that it asks for; without any, anyone may ask.
        log : str or Path, optional
            Where each prediction is stored before it is answered; by default nowhere.

        Yields
        ------
        str
            The service's address.

        Raises
        ------
        ServiceError
            If it does not start; the message ends with what the service said.
        """
        folder, digest = (package.folder, package.sha256) if package else (self.folder, None)
        options = ["--no-log"] if log is None else ["--log", str(log)]
        if package is None or not package.compiled:  # a compiled one is to show that it needs no pickle
            options.append("--allow-pipeline")
        environment = {VARIABLE: "\n".join(key.line() for key in keys)} if keys else {}
        with tempfile.TemporaryFile() as said:
            process, url = start(folder, digest, port, said, options, environment)
            try:
                wait_ready(process, url, said)
                yield url
            finally:
                stop(process)

    def ask(self, url: str, rows: Sequence[Mapping[str, object]], key: str | None = None) -> np.ndarray:
        """Return the scores that a running service gives to rows, sent in one request.

        Raises
        ------
        ServiceError
            If it does not answer, or refuses.
        """
        from ml_utils.client import Client

        with Client(url, key, timeout=60, retries=0) as client:
            return np.array([answer.score for answer in client.predict_batch(rows)])

    def load_test(
        self,
        url: str,
        rows: Sequence[Mapping[str, object]],
        seconds: float = 2.0,
        clients: Sequence[int] = (1, 8, 50),
        key: str | None = None,
    ) -> LoadTest:
        """Load a running service; see `load_test.load_test`."""
        return load_test(url, rows, seconds, clients, {} if key is None else {"X-API-Key": key})

    def compare_service(
        self, url: str, registered: RegisteredModel, n: int = 200, key: str | None = None
    ) -> Parity:
        """Send rows of the test split to a running service and hold its answers against the pipeline.

        Raises
        ------
        IntegrityError
            If a score differs by more than 1e-6.
        ServiceError
            If the service does not answer, or refuses.
        """
        X = self._sendable("test", min(n, MAX_ROWS), registered.schema)
        found = self.ask(url, json_rows(X), key)
        return compare(found, registered.model.predict_score(X), "JSON over HTTP")

    def batch_score(self, source: str | Path, output: str | Path) -> BatchScore:
        """Score a CSV or Parquet file with the packaged model; see `batch.batch_score`."""
        keys = [name for name in (self.problem.id, self.problem.time) if name]
        csv = self.problem.source if isinstance(self.problem.source, FileSource) else None
        return batch_score(packaged(self.folder), source, output, keys, csv=csv)

    def manifests(self, folder: str | Path) -> dict[str, Path]:
        """Write the Docker, compose and Kubernetes files for the package.

        Parameters
        ----------
        folder : str or Path

        Returns
        -------
        dict of str to Path
            Name within the folder to file.
        """
        if not (self.folder / RELEASE).is_file():
            raise MissingInputError(f"{self.folder} holds no packaged model; call package() first.")
        return write_manifests(Path(folder), self.folder)

    def example_rows(self, n: int = 100, split: str = "test") -> list[dict[str, object]]:
        """Return a split's first rows as an application would send them: JSON values, null if unknown."""
        return json_rows(self._sendable(split, n, Scorer.from_package(self.folder).schema))

    def example_case(self, split: str = "test") -> Case:
        """Return a split's first row that the service accepts, with whom it is about and what came true."""
        frame = read_split(self.workspace, split)
        X, y = features_and_target(frame, self.problem)
        first = self._accepted(X, 1, Scorer.from_package(self.folder).schema, split)
        place = X.index.get_loc(first.index[0])
        name = self.problem.id
        customer = None if name is None else str(frame[name].iloc[place])
        return Case(json_rows(first)[0], customer, float(y.iloc[place]))

    def _sendable(self, split: str, n: int, schema: InputSchema) -> pd.DataFrame:
        X, _ = features_and_target(read_split(self.workspace, split), self.problem)
        return self._accepted(X, n, schema, split)

    def _accepted(self, X: pd.DataFrame, n: int, schema: InputSchema, split: str) -> pd.DataFrame:
        """Return the first rows that the service accepts: training may have had nothing missing."""
        few = X.head(2 * n)
        kept = few[[accepts(schema, row) for row in json_rows(few)]].head(n)
        if kept.empty:
            raise DataError(
                f"The service would refuse each of the first {len(few)} rows of the {split} split: their "
                "types, or what is missing in them, are not those of the training rows."
            )
        return kept

    def _parity(self, registered: RegisteredModel, scorer: Scorer) -> tuple[Parity, ...]:
        X, _ = features_and_target(read_split(self.workspace, "test"), self.problem)
        expected = registered.model.predict_score(X)
        few = X.head(500)
        ways = {
            "table": scorer.score(X),
            "JSON rows, all at once": scorer.score(json.loads(json.dumps(json_rows(few)))),
            "JSON rows, one by one": np.array([scorer.score_one(row) for row in json_rows(X.head(10))]),
        }
        found = tuple(compare(scores, expected[: len(scores)], way) for way, scores in ways.items())
        if not registered.manifest.compiled:
            return found
        return found + compare_compiled(scorer, CompiledScorer.from_files(registered.files), X)


def _put_in_place(aside: Path, folder: Path) -> None:
    before = folder.with_name(f".{folder.name}-before-{os.getpid()}")
    if folder.exists():
        os.replace(folder, before)
    os.replace(aside, folder)
    shutil.rmtree(before, ignore_errors=True)

"""The model that all servers of bench_serving serve: XGBoost, 300 trees, 20 raw columns, packaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from xgboost import XGBClassifier

from ml_utils.features.engineer import FeatureEngineer
from ml_utils.files import sha256_bytes
from ml_utils.model import Model
from ml_utils.registry.package import MANIFEST, pack
from ml_utils.registry.pyfunc import mlflow_files
from ml_utils.serving.keys import main as keys
from ml_utils.serving.parity import json_rows
from ml_utils.serving.scoring import RELEASE

NUMBERS = [f"n{i}" for i in range(12)]
CATEGORIES = [f"c{i}" for i in range(8)]
COLUMNS = [*NUMBERS, *CATEGORIES]


def table(rows: int, seed: int) -> pd.DataFrame:
    """Draw raw rows: numbers with gaps, categories of 3 to 10 levels."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, len(NUMBERS))).round(4), columns=NUMBERS)
    frame.loc[rng.uniform(size=rows) < 0.1, "n0"] = np.nan
    for i, name in enumerate(CATEGORIES):
        frame[name] = rng.choice([f"level {k}" for k in range(3 + i)], rows)
    return frame


def raw_rows(rows: int, seed: int = 1) -> list[dict[str, object]]:
    """Return rows as an application sends them."""
    return json_rows(table(rows, seed))


def trained() -> tuple[Model, pd.DataFrame]:
    """Fit the model; return it and its training rows."""
    frame = table(10_000, 0)
    risk = frame["n1"] - frame["n2"] * (frame["c0"] == "level 1") + (frame["c3"] == "level 2")
    y = (risk + np.random.default_rng(2).logistic(size=len(frame)) > 0.5).astype("int8")
    estimator = XGBClassifier(n_estimators=300, max_depth=4, learning_rate=0.05, n_jobs=1, random_state=0)
    pipeline = Pipeline([("features", FeatureEngineer()), ("model", estimator)]).fit(frame, y)
    return Model(pipeline, "binary", tuple(COLUMNS), "xgboost", threshold=0.4), frame


def packaged(folder: Path) -> tuple[Path, str]:
    """Write the package and a key file; return the folder and the key."""
    import contextlib
    import io
    import json

    model, frame = trained()
    files = pack(model, frame, "bench", "0" * 64)
    digest = sha256_bytes(files[MANIFEST])
    release = {"model": "bench", "version": 1, "manifest_sha256": digest}
    files = files | mlflow_files(model, frame, files) | {RELEASE: json.dumps(release).encode()}
    (folder / "package").mkdir()
    for name, content in files.items():
        (folder / "package" / name).write_bytes(content)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        keys(["new", "bench", "--file", str(folder / "keys")])
    found = next(word for word in said.getvalue().split() if word.startswith("octavo_"))
    return folder, found

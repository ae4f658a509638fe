"""What MLflow's pages show beside a run: the data's hash, the model's signature, some rows as an example."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import pandas as pd

from ml_utils.model import Model

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

EXAMPLE_ROWS = 5


def describe_model(model: Model, example: pd.DataFrame) -> dict[str, str]:
    """Return signature and input example, as files in MLflow's own formats.

    Parameters
    ----------
    model : Model
    example : DataFrame
        Raw rows; their types are the signature's, the first of them the example.

    Returns
    -------
    dict
        signature.json (what `mlflow.models.ModelSignature.from_dict` reads) and input_example.json (split
        orientation) to their content.
    """
    from mlflow.models import infer_signature

    rows = example[list(model.columns)].head(EXAMPLE_ROWS)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*integer column.*")  # MLflow fears missing values to come
        signature = infer_signature(example[list(model.columns)], model.predict_score(rows))
    return {
        "signature.json": json.dumps(signature.to_dict(), indent=2),
        "input_example.json": rows.to_json(orient="split", date_format="iso", indent=2),
    }


def describe_data(name: str, snapshot_sha256: str) -> DatasetInput:
    """Return the data as an input of a run: its name and hash."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"snapshot_sha256": snapshot_sha256})
    # MLflow's digests have at most 36 characters; the source keeps the whole hash
    data = Dataset(name=name, digest=snapshot_sha256[:36], source_type="snapshot", source=source)
    return DatasetInput(data, [InputTag("mlflow.data.context", "training")])

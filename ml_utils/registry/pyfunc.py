"""The same package as an MLflow model: `mlflow models serve`, Spark and `mlflow.pyfunc` take raw columns.

MLflow is told to load a package with the loader below: nothing of it is pickled a second time, and every file
is compared with its hash first. Where MLflow loads it, this project must be installed
(`mlflow models serve -m models:/churn@champion --env-manager local`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ml_utils.errors import RegistryError
from ml_utils.files import sha256_bytes
from ml_utils.model import Model
from ml_utils.registry.package import MANIFEST, Unpacked, unpack
from ml_utils.registry.verification import read_folder
from ml_utils.registry.versions import MLFLOWS

MLMODEL, REQUIREMENTS = MLFLOWS
_SHA = "manifest_sha256"


class RawColumns:
    """What MLflow calls: a frame of raw columns in, score and decision out.

    Parameters
    ----------
    package : Unpacked
    """

    def __init__(self, package: Unpacked) -> None:
        self.package = package

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, object] | None = None) -> pd.DataFrame:
        """Return a column `score` and, where the model has a threshold, `act`, one row a row.

        Parameters
        ----------
        model_input : DataFrame of shape (n_rows, n_columns)
            Raw columns, as the training table had them.
        params : mapping, optional
            None are known.

        Raises
        ------
        DataError
            If a column is missing or of the wrong type.
        """
        model = self.package.model
        return _answers(model, self.package.schema.prepare(model_input))


def mlflow_files(model: Model, example: pd.DataFrame, packed: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files that make a package an MLflow model.

    Parameters
    ----------
    model : Model
    example : DataFrame
        Training rows; the signature's types are drawn from them.
    packed : mapping
        The package, its manifest included.

    Returns
    -------
    dict
        MLmodel and requirements.txt to their content.
    """
    import warnings

    from mlflow.models import Model as MlflowModel
    from mlflow.models import infer_signature
    from mlflow.pyfunc import add_to_model

    rows = example[list(model.columns)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*integer column.*")  # MLflow fears missing values to come
        signature = infer_signature(rows, _answers(model, rows.head()))
    about = MlflowModel(signature=signature, metadata={_SHA: sha256_bytes(packed[MANIFEST])})
    add_to_model(about, loader_module=__name__)
    packages: dict[str, str] = yaml.safe_load(packed[MANIFEST])["packages"]
    pins = "".join(f"{name}=={version}\n" for name, version in sorted(packages.items()))
    return {MLMODEL: about.to_yaml().encode(), REQUIREMENTS: pins.encode()}


def _answers(model: Model, rows: pd.DataFrame) -> pd.DataFrame:
    scores = model.predict_score(rows)
    if model.task == "multiclass":
        return pd.DataFrame(scores, columns=[f"score_{i}" for i in range(scores.shape[1])])
    columns: dict[str, Any] = {"score": scores}
    if model.threshold is not None:
        columns["act"] = scores >= model.threshold
    return pd.DataFrame(columns)


def _load_pyfunc(path: str) -> RawColumns:
    """Load a package for MLflow, which calls this by its name."""
    folder = Path(path)
    files = read_folder(folder)
    try:
        digest = yaml.safe_load(files[MLMODEL])["metadata"][_SHA]
    except (KeyError, TypeError, yaml.YAMLError) as error:
        raise RegistryError(
            f"{folder} has no {MLMODEL} that names the hash of its manifest; register the model again."
        ) from error
    return RawColumns(unpack(files, digest, str(folder)))

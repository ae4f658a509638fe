"""A fitted model turned into the files that `scorer.CompiledScorer` reads; needs the full install.

Everything is read off the fitted objects: what the engineer and the estimators learnt is written down, and
nothing is learnt or derived again. What has no compiled form raises CannotCompile, which names it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ml_utils.compiled import many_trees
from ml_utils.compiled.files import ARRAYS, COMPILED, FORMAT, TREES
from ml_utils.compiled.from_engineer import compile_engineer
from ml_utils.compiled.from_estimator import Compilation, compile_estimator
from ml_utils.errors import CannotCompile
from ml_utils.registry.input_columns import Kind

if TYPE_CHECKING:
    import pandas as pd

    from ml_utils.model import Model
    from ml_utils.registry.inputs import InputSchema


def compile_model(model: Model, schema: InputSchema, example: pd.DataFrame | None = None) -> dict[str, bytes]:
    """Turn a fitted model into files that score without it.

    Parameters
    ----------
    model : Model
        A pipeline of the steps "features" (a FeatureEngineer) and "model"; binary or a regression.
    schema : InputSchema
        The raw columns, in order.
    example : DataFrame, optional
        Training rows; with them contributions are told against the features' means among these, as
        `explanation` tells them against its background.

    Returns
    -------
    dict
        compiled.json, trees-0.onnx and .npz where there are trees, and boosters' own files, which explain.

    Raises
    ------
    CannotCompile
        If a step has no compiled form; the message names it.
    """
    if model.task == "multiclass":
        raise CannotCompile("a model of several classes gives several scores a row; one is compiled")
    steps = dict(model.pipeline.steps)
    if list(steps) != ["features", "model"]:
        raise CannotCompile(f"the pipeline has the steps {', '.join(steps)}; features and model are compiled")
    kinds: dict[str, Kind] = {column.name: column.kind for column in schema.columns}
    features = compile_engineer(steps["features"], kinds)
    background = None if example is None else steps["features"].transform(example[list(model.columns)])
    made = Compilation(len(features["names"]), model.task, background)
    node = compile_estimator(steps["model"], made)
    spec: dict[str, Any] = {
        "format": FORMAT,
        "task": model.task,
        "name": model.name,
        "threshold": model.threshold,
        "inputs": schema.to_json(),
        "features": features,
        "model": node,
    }
    files = {COMPILED: json.dumps(spec, ensure_ascii=False, allow_nan=False).encode()}
    if made.ensembles:
        from ml_utils.compiled.to_onnx import graph_of

        files[TREES] = graph_of(made.ensembles, made.n_features)
        files[ARRAYS] = many_trees.write(made.ensembles)
    return files | made.boosters

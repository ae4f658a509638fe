"""Pickles: what models hold is loaded, anything that runs code is not even imported."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from test_candidates import PAIRS, table

from ml_utils.errors import RegistryError
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.registry import unpickling
from ml_utils.registry.package import pickled, unpickled
from ml_utils.registry.unpickling import TrustedUnpickler, UntrustedType, trust
from ml_utils.training.calibration import fit_calibrator
from ml_utils.training.candidates import CANDIDATES, Setting, Task


class Calls:
    """Pickles into a call of a function, as an attacker's file would."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


class Own:
    """An estimator of somebody's own."""


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("true",)),
        (eval, ("1",)),
        (exec, ("",)),
        (getattr, ("text", "upper")),
        (__import__, ("os",)),
        (open, ("/dev/null",)),
        (subprocess.check_output, (["true"],)),
        (np.load, ("x.npy",)),
        (np.testing.runstring, ("1", {})),  # runs text; lives in an allowed library
        (pd.read_pickle, ("x",)),
        (pickle.loads, (b"",)),
        (sys.exit, (0,)),
    ],
)
def test_a_call_is_refused(function: Callable[..., Any], arguments: tuple[object, ...]) -> None:
    with pytest.raises(UntrustedType, match="not on the list"):
        TrustedUnpickler(pickle.dumps(Calls(function, *arguments))).load()


@pytest.mark.parametrize(
    "named",
    [
        b"csklearn.utils._testing\nset_random_state\n.",
        b"csklearn.utils\nos.system\n.",
        b"cml_utils.training.tracking\nlogger\n.",
        b"cml_utils.files\nwrite_text\n.",
        b"cnumpy\nf2py\n.",
        b"cnumpy.f2py.__main__\nmain\n.",  # a program: importing it runs it
    ],
)
def test_a_function_of_a_known_library_is_refused(named: bytes) -> None:
    with pytest.raises((UntrustedType, AttributeError)):
        TrustedUnpickler(named).load()


def test_a_dotted_name_does_not_lead_out_of_a_class() -> None:
    dotted = b"\x80\x04\x8c\x0csklearn.base\x8c\x24BaseEstimator.__init__.__globals__.x\x93."
    with pytest.raises((UntrustedType, AttributeError)):
        TrustedUnpickler(dotted).load()


def test_an_unknown_module_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "surprise_module.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UntrustedType, match=r"surprise_module\.Thing"):
        TrustedUnpickler(b"csurprise_module\nThing\n.").load()


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_every_candidate_comes_back(name: str, task: Task) -> None:
    if name == "catboost":
        pytest.importorskip("catboost")
    Z, y = table(task)
    candidate = CANDIDATES[name]
    trees = "max_iter" if name == "hist_gradient_boosting" else "n_estimators"
    params = {key: 20 if key == trees else value for key, value in candidate.prior.items()}
    estimator = candidate.build(params, Setting(task, seed=1, n_jobs=1)).fit(Z, y)
    content, packages = pickled(estimator, name)
    again = unpickled(content, packages, name)
    np.testing.assert_array_equal(again.predict(Z), estimator.predict(Z))


@pytest.mark.parametrize("method", ["none", "sigmoid", "isotonic", "venn_abers"])
def test_every_calibrator_comes_back(method: str) -> None:
    rng = np.random.default_rng(0)
    score = rng.uniform(size=300)
    calibrator = fit_calibrator(method, rng.binomial(1, score), score)
    again = unpickled(*pickled(calibrator, method), method)
    np.testing.assert_array_equal(again.apply(score), calibrator.apply(score))


RECIPES: list[dict[str, Any]] = [
    {},
    *({"encoding": name} for name in ("onehot", "ordinal", "target", "frequency", "hashing")),
    *({"imputation": name} for name in ("mean", "knn", "iterative", "most_frequent")),
    *({"scaling": name} for name in ("standard", "robust", "quantile", "power")),
    *({"selection": name} for name in ("correlation", "importance", "l1", "rfe")),
    *({"reduction": name} for name in ("pca", "lda")),
    {"text": ["words"]},
    {"splines": ["a"], "bins": ["b"], "interactions": 2},
    {"formulas": {"f": "a / b"}, "ratios": [["a", "b"]], "group_statistics": {"c": ["a"]}},
    {"dates": ["d"], "since": "2024-01-01"},
]


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_every_recipe_of_features_comes_back(recipe: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    n = 120
    X = pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "b": rng.exponential(size=n),
            "c": rng.choice(["x", "y", None], n),
            "d": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, n), unit="D"),
            "words": [f"some words {i % 7} and more of them" for i in range(n)],
            "kind": pd.Categorical(rng.choice(["p", "q"], n)),
        }
    )
    engineer = FeatureEngineer(**recipe).fit(X, (X["b"] > 1).astype(int).to_numpy())
    again = unpickled(*pickled(engineer, "The engineer"), "it")
    pd.testing.assert_frame_equal(again.transform(X), engineer.transform(X))


def test_an_own_type_is_loaded_once_it_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RegistryError, match=r"OCTAVO_TRUSTED_TYPES=test_unpickling:Own"):
        pickled(Own(), "The pipeline")
    monkeypatch.setenv(unpickling.VARIABLE, "other:Thing, test_unpickling:Own")
    assert isinstance(unpickled(*pickled(Own(), "it"), "it"), Own)
    monkeypatch.delenv(unpickling.VARIABLE)
    monkeypatch.setattr(unpickling, "_added", set())
    trust(Own)
    assert isinstance(unpickled(*pickled(Own(), "it"), "it"), Own)


def test_a_time_zone_comes_back() -> None:
    times = pd.Series(pd.date_range("2024-03-30", periods=3, tz="Europe/Berlin"))
    pd.testing.assert_series_equal(TrustedUnpickler(pickle.dumps(times)).load(), times)
    for thing, name in ((ZoneInfo, "clear_cache"), (ZoneInfo, "__init__"), (FeatureEngineer, "_unpickle")):
        with pytest.raises(
            UntrustedType, match=r"holds builtins\.getattr, which is not on the list of types"
        ):
            TrustedUnpickler(pickle.dumps(Calls(getattr, thing, name))).load()


def test_nobody_is_told_to_trust_what_is_no_estimator() -> None:
    with pytest.raises(UntrustedType) as refused:
        TrustedUnpickler(pickle.dumps(eval)).load()
    assert "environment" not in str(refused.value)

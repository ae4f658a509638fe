"""A compiled model scores as its pipeline does, whatever its recipe; what has no compiled form says so."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from small_model import FEATURES, fitted, table

from ml_utils.compiled import cells
from ml_utils.compiled.cells import Coded
from ml_utils.compiled.compiling import compile_model
from ml_utils.compiled.edges import edge_rows
from ml_utils.compiled.files import ARRAYS, COMPILED, TREES
from ml_utils.compiled.frames import columns_of
from ml_utils.compiled.hashing import murmur3
from ml_utils.compiled.package import PackagedModel
from ml_utils.compiled.scorer import CompiledScorer
from ml_utils.errors import CannotCompile, DataError, IntegrityError, MissingInputError, ServiceError
from ml_utils.explanation.contributions import contributions
from ml_utils.features import FeatureEngineer
from ml_utils.features.encoding import hashes
from ml_utils.model import Model
from ml_utils.registry.inputs import InputSchema
from ml_utils.registry.package import MANIFEST, pack
from ml_utils.serving.parity import compare_compiled, json_rows
from ml_utils.serving.scoring import Scorer
from ml_utils.training.calibration import Calibrated, fit_calibrator
from ml_utils.training.candidates import CANDIDATES, Setting
from ml_utils.training.ensembles import LogOddsBlend, MeanBlend

SINGLE = (
    *("baseline", "logistic", "elastic_net", "spline_logistic", "decision_tree", "random_forest"),
    *("extra_trees", "hist_gradient_boosting", "lightgbm", "xgboost"),
)
FEWER = {"n_estimators": 40, "max_iter": 40}
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "no fences": {"outliers": None},
    "inner fences": {"outliers": "iqr", "imputation": "mean"},
    "winsor": {"outliers": "winsor", "imputation": "most_frequent", "indicators": False},
    "constant": {"imputation": "constant"},
    "target": {"encoding": "target"},
    "ordinal": {"encodings": {"plan": "ordinal"}, "orders": {"plan": ["pro", "plus", "basic"]}},
    "frequency": {"encoding": "frequency"},
    "hashing": {"encoding": "hashing", "n_hashes": 4},
    "standard": {"scaling": "standard"},
    "robust": {"scaling": "robust", "encoding": "target"},
    "minmax": {"scaling": "minmax"},
    "maxabs": {"scaling": "maxabs"},
    "dates": {
        "date_parts": ["year", "week", "day_of_year", "is_month_end", "is_quarter_end", "is_weekend", "hour"],
        "date_cycles": ["month", "day_of_week"],
        "since": "2024-02-29",
    },
    "formulas": {
        "formulas": {
            "a day": "spend / (tenure + 1)",
            "basic": "where(plan == 'basic', `a day`, -1)",
            "year joined": "year(since) + coalesce(month(since), 13) / 100",
            "gone": "isna(spend) or not `auto pay`",
            "root": "sqrt(spend) ** 1.5 + log1p(tenure)",
        }
    },
    "pairs": {"ratios": [["spend", "tenure"]], "differences": [["spend", "tenure"]]},
    "groups": {
        "group_statistics": {"plan": ["spend"]},
        "statistics": ["mean", "std", "count", "deviation", "z"],
    },
    "bins": {"bins": ["tenure"], "n_bins": 4},
    "given bins": {"bins": {"spend": [20.0, 60.5]}},
    "splines": {"splines": ["tenure", "spend"]},
    "products": {"interactions": ["tenure", "spend"], "degree": 3},
    "best products": {"interactions": 3},
    "chosen": {"selection": "importance", "n_features": 5},
    "components": {"reduction": "pca", "n_components": 3},
    "number as category": {"categorical": ["tenure"], "encoding": "target"},
    "places": {
        "places": {
            "home": {"latitude": "spend", "longitude": "tenure", "points": {"Berlin": [52.52, 13.4]}},
        },
        "n_areas": 3,
    },
}


QUICK = {
    "lightgbm",
    "xgboost",
    "spline_logistic",
    "plain",
    "hashing",
    "dates",
    "formulas",
    "groups",
    "places",
}


def heavy(is_quick: bool) -> list[pytest.MarkDecorator]:
    return [] if is_quick else [pytest.mark.full]


def raw(n: int = 600, seed: int = 7) -> tuple[pd.DataFrame, np.ndarray]:
    frame = table(n, seed)
    return frame[FEATURES], (frame["left"] == "yes").to_numpy().astype("int8")


def estimator(name: str, task: Any = "binary") -> Any:
    candidate = CANDIDATES[name]
    params = {key: FEWER.get(key, value) for key, value in candidate.prior.items()}
    return candidate.build(params, Setting(task))


def made(
    recipe: Mapping[str, Any], last: Any, task: Any = "binary", n: int = 600
) -> tuple[Model, InputSchema, CompiledScorer]:
    X, y = raw(n)
    target = y if task == "binary" else np.nan_to_num(X["spend"].to_numpy(), nan=50.0) * 1000 + X["tenure"]
    pipeline = Pipeline([("features", FeatureEngineer(**recipe)), ("model", last)]).fit(X, target)
    model = Model(pipeline, task, tuple(FEATURES), "tried", 0.3 if task == "binary" else None)
    schema = InputSchema.from_frame(X)
    return model, schema, CompiledScorer.from_files(compile_model(model, schema, X))


def agree(model: Model, schema: InputSchema, compiled: CompiledScorer, n: int = 200) -> None:
    compare_compiled(Scorer(model, schema, None, ""), compiled, table(n, seed=9)[FEATURES])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [pytest.param(name, marks=heavy(name in QUICK)) for name in SINGLE])
def test_every_candidate_scores_as_compiled(name: str) -> None:
    agree(*made({}, estimator(name)))


@pytest.mark.parametrize("recipe", [pytest.param(name, marks=heavy(name in QUICK)) for name in RECIPES])
def test_every_recipe_scores_as_compiled(recipe: str) -> None:
    model, schema, compiled = made(RECIPES[recipe], estimator("lightgbm"), n=300)
    agree(model, schema, compiled, 100)
    rows = json_rows(table(60, seed=3)[FEATURES])
    X = model.pipeline[0].transform(schema.prepare(rows))
    mine = np.array([compiled.features.one(row) for row in rows], dtype=float)
    assert np.array_equal(mine, X.to_numpy()), X.columns[(mine != X.to_numpy()).any(axis=0)]


def members(task: Any = "binary") -> list[tuple[str, Any]]:
    spline = "spline_logistic" if task == "binary" else "spline_ridge"
    return [(name, estimator(name, task)) for name in (spline, "lightgbm", "xgboost")]


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "venn_abers"])
def test_a_calibrated_blend(method: str) -> None:
    rng = np.random.default_rng(1)
    score = rng.random(300)
    calibrator = fit_calibrator(method, rng.random(300) < score**2, score)
    blend = LogOddsBlend(members(), [0.5, 0.4, 0.3], -0.1)
    agree(*made({}, Calibrated(blend, calibrator)))


SLOW = pytest.param("hist_gradient_boosting", marks=pytest.mark.full)  # its threads, on busy cores


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "random_forest", "ridge", SLOW])
def test_regressions(name: str) -> None:
    agree(*made({}, estimator(name, "regression"), "regression"))


def test_a_blend_of_regressors() -> None:
    agree(
        *made({"scaling": "standard"}, MeanBlend(members("regression"), [0.5, 0.2, 0.3], 2.0), "regression")
    )


@pytest.mark.full
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(st.sampled_from(sorted(RECIPES)), min_size=2, max_size=3, unique=True),
    last=st.sampled_from(["logistic", "lightgbm", "xgboost", "spline_logistic"]),
    seed=st.integers(0, 1000),
)
def test_recipes_together(names: list[str], last: str, seed: int) -> None:
    recipe: dict[str, Any] = {}
    for name in names:
        recipe |= RECIPES[name]
    try:
        model, schema, compiled = made(recipe, estimator(last), n=200)
    except CannotCompile:
        return
    rows = edge_rows(schema.columns, compiled, seed)[:: 1 + seed % 5]
    expected = Scorer(model, schema, None, "").score(rows)  # type: ignore[arg-type]
    found = np.array([compiled.score_one(row) for row in rows])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(compiled.score_rows(rows), expected, rtol=0, atol=1e-6)


@pytest.mark.full
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_tables(data: st.DataObject) -> None:
    """Columns of every kind, with whatever holes and spellings."""
    n, rng = 120, np.random.default_rng(data.draw(st.integers(0, 10_000)))
    cells = st.lists(
        st.one_of(st.none(), st.sampled_from(["a", "A ", "b-c", "B c", "ü", ""])), min_size=n, max_size=n
    )
    floats = st.floats(-1e6, 1e6).map(lambda value: round(value, data.draw(st.just(3))))
    numbers = st.lists(st.one_of(st.just(np.nan), floats), min_size=n, max_size=n)
    X = pd.DataFrame(
        {
            "text": pd.array(data.draw(cells), dtype="str"),
            "number": np.array(data.draw(numbers), dtype=float),
            "whole": rng.integers(-3, 4, n),
            "truth": rng.random(n) < 0.4,
        }
    )
    y = (rng.random(n) < 0.5).astype("int8")
    last = data.draw(st.sampled_from(["xgboost", "lightgbm", "decision_tree"]))
    try:
        pipeline = Pipeline([("features", FeatureEngineer()), ("model", estimator(last))]).fit(X, y)
    except DataError:  # nothing in the columns
        return
    model = Model(pipeline, "binary", tuple(X.columns), last, 0.5)
    schema = InputSchema.from_frame(X)
    compiled = CompiledScorer.from_files(compile_model(model, schema, X))
    compare_compiled(Scorer(model, schema, None, ""), compiled, X)  # type: ignore[arg-type]


def test_texts_become_the_same_topics() -> None:
    rng = np.random.default_rng(0)
    words = np.array(["fast", "slow", "café", "delivery", "broken", "Hervorragend", "box", "it's", "great"])
    texts = [" ".join(rng.choice(words, 6)) for _ in range(200)]
    X = pd.DataFrame({"said": pd.array(texts, dtype="str"), "age": rng.integers(18, 80, 200)})
    engineer = FeatureEngineer(text=["said"], n_topics=3)
    y = np.array(["fast" in text for text in texts]).astype("int8")
    model = Model(
        Pipeline([("features", engineer), ("model", LogisticRegression())]).fit(X, y),
        *("binary", ("said", "age"), "texts", 0.5),
    )
    schema = InputSchema.from_frame(X)
    compiled = CompiledScorer.from_files(compile_model(model, schema))
    compare_compiled(Scorer(model, schema, None, ""), compiled, X)  # type: ignore[arg-type]


def test_times_with_a_zone() -> None:
    X, y = raw(300)
    X = X.assign(since=X["since"].dt.tz_localize("Europe/Berlin"))
    pipeline = Pipeline([("features", FeatureEngineer()), ("model", estimator("lightgbm"))]).fit(X, y)
    model, schema = Model(pipeline, "binary", tuple(FEATURES), "zoned", 0.5), InputSchema.from_frame(X)
    compiled = CompiledScorer.from_files(compile_model(model, schema))
    compare_compiled(Scorer(model, schema, None, ""), compiled, X)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("recipe", "last", "named"),
    [
        ({"imputation": "knn"}, LogisticRegression(), "imputation='knn'"),
        (
            {},
            CANDIDATES["nearest_neighbours"].build({"n_neighbors": 5}, Setting("binary")),
            "KNeighborsClassifier",
        ),
    ],
)
def test_what_cannot_be_compiled_is_named(recipe: dict[str, Any], last: Any, named: str) -> None:
    with pytest.raises(CannotCompile, match=named):
        made(recipe, last)


def test_dates_as_text_and_several_classes_are_not_compiled() -> None:
    X, y = raw(200)
    X = X.assign(since=X["since"].astype("str"))
    pipeline = Pipeline([("features", FeatureEngineer(dates=["since"])), ("model", LogisticRegression())])
    model = Model(pipeline.fit(X, y), "binary", tuple(FEATURES), "texts", 0.5)
    with pytest.raises(CannotCompile, match="'since', dates written as text"):
        compile_model(model, InputSchema.from_frame(X))
    with pytest.raises(CannotCompile, match="several classes"):
        compile_model(Model(model.pipeline, "multiclass", model.columns, "many"), InputSchema.from_frame(X))


def test_contributions_are_those_of_the_explanation() -> None:
    model, _, compiled = made({}, LogOddsBlend(members(), [0.5, 0.4, 0.3], -0.1))
    X = table(50, seed=9)[FEATURES]
    rows = json_rows(X)
    assert compiled.explains
    base, found = compiled.explain_rows(rows)
    scores = compiled.score_rows(rows)
    total = base + np.array([sum(item.values()) for item in found])
    np.testing.assert_allclose(total, np.log(scores) - np.log1p(-scores), rtol=0, atol=1e-6)
    engineer, last = model.pipeline[0], model.pipeline[1]
    theirs = contributions(last, engineer.transform(X), engineer.transform(raw()[0]), 1)
    assert base == pytest.approx(theirs.base, abs=1e-9)
    tenure = theirs.features.index("tenure")
    np.testing.assert_allclose([item["tenure"] for item in found], theirs.shap[:, tenure], rtol=0, atol=1e-6)
    assert set(found[0]) == set(FEATURES)


def test_what_cannot_be_explained_says_why() -> None:
    _, _, compiled = made({}, estimator("random_forest"))
    assert not compiled.explains
    with pytest.raises(ServiceError, match="trees are scikit-learn's"):
        compiled.explain_rows(json_rows(table(2)[FEATURES]))


def test_unusual_values_are_those_of_the_schema() -> None:
    _, schema, compiled = made({}, LogisticRegression(), n=300)
    for row in edge_rows(schema.columns, compiled):
        theirs = [(item.column, item.check) for item in schema.warnings(schema.prepare([row]))]
        assert sorted((column, check) for column, check, _ in compiled.unusual(row)) == sorted(theirs), row


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tenure": "old"}, "Column 'tenure' takes whole numbers; got 'old'"),
        ({"since": "yesterday"}, "Column 'since' takes dates; got 'yesterday'"),
        ({"since": 5}, "Column 'since' takes dates; got '5'"),
        ({"auto pay": "perhaps"}, "Column 'auto pay' takes true or false"),
        ({"plan": ["a"]}, "Column 'plan' takes text"),
    ],
)
def test_wrong_types_are_refused(change: dict[str, object], message: str) -> None:
    _, _, compiled = made({}, LogisticRegression(), n=100)
    row = json_rows(table(1)[FEATURES])[0] | change
    for score in (compiled.score_one, lambda row: compiled.score_rows([row] * 20)):
        with pytest.raises(DataError, match=message):
            score(row)


def test_missing_columns_are_named() -> None:
    _, _, compiled = made({}, LogisticRegression(), n=100)
    row = json_rows(table(1)[FEATURES])[0]
    del row["plan"]
    with pytest.raises(DataError, match="lacks 'plan'"):
        compiled.score_one(row)
    with pytest.raises(DataError, match="lacks 1 of the model's columns: plan"):
        compiled.score_columns({name: np.array([value]) for name, value in row.items()})


def test_columns_in_every_form_score_alike() -> None:
    _, _, compiled = made({}, estimator("xgboost"))
    X = table(1500, seed=9)[FEATURES]
    objects = {name: X[name].astype(object).where(X[name].notna(), None).to_numpy() for name in X}
    expected = compiled.score_columns(columns_of(X, FEATURES))
    assert isinstance(columns_of(X, FEATURES)["plan"], Coded)
    assert np.array_equal(compiled.score_columns(objects), expected)
    assert np.array_equal(
        compiled.score_columns(columns_of(X[:50], FEATURES)), expected[:50]
    )  # by onnxruntime


def test_hashes_are_scikit_learns() -> None:
    from ml_utils.compiled.hashing import hash_columns

    forms = ["a", "", "straße", "month to month", "(missing)", "x" * 37]
    assert np.array_equal(np.array([hash_columns(form, 7) for form in forms]).T, hashes(forms, 7))
    assert murmur3(b"hello") == 613153351  # Appleby's own x86_32


def test_a_package_holds_the_compiled_form(tmp_path: Any) -> None:
    X, _ = raw()
    model = made({}, estimator("lightgbm"))[0]
    files = pack(model, X, "small", "ab" * 32)
    manifest = json.loads(files[MANIFEST])
    assert manifest["compiled"]
    assert {COMPILED, TREES, ARRAYS, "booster-0.txt"} <= set(manifest["files"])
    digest = hashlib.sha256(files[MANIFEST]).hexdigest()
    found = PackagedModel.read(files, digest)
    row = json_rows(X.head(1))[0]
    assert found.scorer.score_one(row) == pytest.approx(model.predict_score(X.head(1))[0], abs=1e-12)
    assert (found.about["candidate"], found.version) == ("tried", None)
    changed = {**files, TREES: files[TREES][:-1] + b"\x00"}
    with pytest.raises(IntegrityError, match=r"trees-0\.onnx was changed"):
        PackagedModel.read(changed, digest)
    with pytest.raises(MissingInputError, match="no packaged model"):
        PackagedModel.read(tmp_path / "none")


def test_a_package_without_says_why() -> None:
    X, y = raw(200)
    last = CANDIDATES["naive_bayes"].build({"var_smoothing": 0.05}, Setting("binary"))
    model = Model(
        Pipeline([("features", FeatureEngineer(imputation="knn")), ("model", last)]).fit(X, y),
        *("binary", tuple(FEATURES), "odd", 0.5),
    )
    files = pack(model, X, "small", "ab" * 32)
    manifest = json.loads(files[MANIFEST])
    assert (manifest["compiled"], COMPILED in files) == (False, False)
    assert "imputation='knn'" in manifest["not_compiled"]
    with pytest.raises(IntegrityError, match="not compiled: imputation='knn'"):
        PackagedModel.read(files, hashlib.sha256(files[MANIFEST]).hexdigest())


def test_a_damaged_or_foreign_form_is_refused() -> None:
    with pytest.raises(IntegrityError, match="is damaged"):
        CompiledScorer.from_files({COMPILED: b"{"})
    with pytest.raises(IntegrityError, match="format 99"):
        CompiledScorer.from_files({COMPILED: b'{"format": 99}'})
    files = compile_model(*made({}, estimator("lightgbm"))[:2])
    with pytest.raises(IntegrityError, match="trees cannot be read"):
        CompiledScorer.from_files({**files, TREES: b"no graph"})


def test_compiling_twice_gives_the_same_bytes() -> None:
    model, schema, _ = made({}, LogOddsBlend(members(), [0.5, 0.4, 0.3]))
    assert compile_model(model, schema) == compile_model(model, schema)


def test_scoring_needs_numpy_and_onnxruntime_only(tmp_path: Any) -> None:
    recipe = RECIPES["formulas"] | RECIPES["dates"] | RECIPES["groups"]
    model, schema, compiled = made(recipe, LogOddsBlend(members(), [0.5, 0.4, 0.3]))
    for name, content in compile_model(model, schema).items():
        (tmp_path / name).write_bytes(content)
    rows = json_rows(table(20)[FEATURES])
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    code = (
        "import json, pathlib, sys\n"
        "for name in ('pandas', 'sklearn', 'scipy', 'mlflow', 'lightgbm', 'xgboost', 'onnx', 'pyarrow'):\n"
        "    sys.modules[name] = None\n"
        "from ml_utils.compiled.scorer import CompiledScorer\nimport ml_utils.compiled.package\n"
        "files = {path.name: path.read_bytes() for path in pathlib.Path('.').iterdir()}\n"
        "rows, scorer = json.loads(files.pop('rows.json')), CompiledScorer.from_files(files)\n"
        "scorer.unusual(rows[0])\n"
        "print(json.dumps([scorer.score_one(rows[0]), *scorer.score_rows(rows)[1:]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout), compiled.score_rows(rows), rtol=0, atol=1e-12)


def test_ridge_alone_is_exact() -> None:
    agree(*made({}, Ridge(), "regression"))


def test_the_logistic_of_the_small_model() -> None:
    model = fitted()
    schema = InputSchema.from_frame(table()[FEATURES])
    agree(model, schema, CompiledScorer.from_files(compile_model(model, schema)))


def test_a_refusal_says_how_many_rows() -> None:
    said = "Column 'tenure' takes whole numbers; got 'old' (4 rows)."
    column = Coded(np.array([0, 1, 2, 1, -1, 1]), ["1", "old", "new"])
    with pytest.raises(DataError, match=re.escape(said)):
        cells.numbers(column, "tenure", "integer")
    with pytest.raises(DataError, match=r"'since' takes dates; got '1' \(5 rows\)"):
        cells.instants(column, "since")
    with pytest.raises(DataError, match=r"'paid' takes true or false; got 'old' \(4 rows\)"):
        cells.coded(column, "paid", "boolean")

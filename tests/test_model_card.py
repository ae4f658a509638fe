"""The model card: Mitchell et al.'s sections, filled from results, safe as HTML, kept with the model."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import small_model

from ml_utils.evaluation.baselines import baseline_models
from ml_utils.evaluation.evaluator import ModelEvaluator
from ml_utils.evaluation.fairness import audit
from ml_utils.evaluation.gate import decide
from ml_utils.evaluation.model_card import card_html, model_card
from ml_utils.evaluation.profit import policy_values
from ml_utils.explanation.explain import explain
from ml_utils.problem import load_problem
from ml_utils.registry import Registry

SECTIONS = [
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Decision",
    "Ethical considerations",
    "Caveats and recommendations",
]


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A registered model and all that notebook 03 finds for it."""
    with pytest.MonkeyPatch.context() as patch:
        workspace = small_model.make_home(tmp_path_factory.mktemp("home"), patch)
        yield _judge(workspace)


def _judge(workspace):
    registered = small_model.registered(workspace)
    problem = load_problem("small").model_copy(update={"sensitive": ["plan", "auto pay"]})
    frame = small_model.table(600, seed=8)
    y = (frame["left"] == "yes").to_numpy(float)
    model, X = registered.model, frame[small_model.FEATURES]
    train = small_model.table(400)
    beside = baseline_models(train[small_model.FEATURES], train["left"] == "yes", "binary", model.threshold)
    evaluator = ModelEvaluator(problem.decision, n_bootstrap=30)
    sensitive = frame[["plan", "auto pay"]]
    evaluation = evaluator.evaluate(model, X, y, sensitive, baselines=beside)
    score = model.predict_score(X)
    found = audit(y, score, model.threshold, sensitive, problem.decision)
    policies = policy_values(y, score, model.threshold, problem.decision, beside["one rule"].predict_score(X))
    compared = evaluator.compare({"challenger": model, **beside}, X, y)
    gate = decide(evaluation, {"roc_auc": 0.6}, compared, audit=found)
    explanation = explain(model, X, train[small_model.FEATURES], 40)
    card = model_card(
        *(problem, registered, evaluation, explanation, gate),
        policies=policies,
        audit=found,
        comparison=compared,
        training={"rows": 400, "share of positives": "40.0 %"},
    )
    plain = model_card(problem, registered, evaluation, explanation, gate)
    return workspace, registered, evaluation, found, policies, gate, card, plain


def test_a_card_has_the_sections_and_the_results(judged):
    _, registered, evaluation, found, policies, gate, card, plain = judged
    assert re.findall(r"^## (.+)$", card, re.M) == SECTIONS
    assert re.findall(r"^## (.+)$", plain, re.M) == SECTIONS
    assert f"| AUC | {evaluation.value('roc_auc'):.3f} |" in card
    assert policies.sentence("customers")[1:] in card
    assert all(check.reason in card for check in gate.checks)
    assert f"version {registered.version}" in card
    assert "- rows: 400" in card
    assert "### By two attributes (intersectional)" in card
    assert "plan × auto pay: " in card
    assert all(row.sentence() in card for row in found.thresholds)
    assert "scikit-learn" in card
    assert "one rule" in card


def test_a_card_is_one_safe_page(judged):
    card = judged[6]
    page = card_html(card.replace("customers", "<script>alert(1)</script>"), "a <b>")
    assert "<script>" not in page
    assert "<title>a &lt;b&gt;</title>" in page
    assert not re.search(r"(src|href)=", page)
    assert page.count("<table>") >= 3
    assert page.count("<h2>") == len(SECTIONS)
    assert page.startswith("<!DOCTYPE html>")


def test_a_card_is_kept_with_the_version_and_the_model_still_loads(judged, tmp_path):
    workspace, registered, *_, card, _ = judged
    registry = Registry(workspace)
    folder = registry.attach(registered.version, {"model_card.md": card, "model_card.html": card_html(card)})
    again = registry.attach("champion", {"model_card.md": card + "\nmore"})
    assert folder == again == f"about/version-{registered.version}"
    client = registry.tracking.client
    version = client.get_model_version(registry.name, str(registered.version))
    kept = client.download_artifacts(version.run_id, f"{folder}/model_card.md", str(tmp_path))
    with open(kept, encoding="utf-8") as handle:
        assert handle.read() == card + "\nmore"
    assert {item.path for item in client.list_artifacts(version.run_id, folder)} == {
        f"{folder}/model_card.md",
        f"{folder}/model_card.html",
    }
    assert registry.load("champion").version == registered.version


def test_a_card_says_what_is_not_defined(judged):
    _, registered, evaluation, *_ = judged
    broken = evaluation.metrics.assign(value=np.nan, lower=np.nan, upper=np.nan)
    evaluation = replace(evaluation, metrics=broken)
    problem = load_problem("small")
    gate = decide(evaluation, {"roc_auc": 0.6})
    explanation = explain(
        registered.model, pd.DataFrame(small_model.table(60)[small_model.FEATURES]), n_rows=20
    )
    card = model_card(problem, registered, evaluation, explanation, gate)
    assert "Not defined on these rows: AUC" in card
    assert "| AUC | not defined | not defined |" in card
    assert "1 check of 1 failed" in card

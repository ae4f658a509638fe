"""From a prediction log to the monitor: a replay, a real service, and logs that hold more than was asked."""

from __future__ import annotations

import asyncio
import datetime
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from real_servers import PostgreSQL
from running_service import service, write_package
from small_model import FEATURES, fitted, make_home, table

from ml_utils import data, runner
from ml_utils.client import Client
from ml_utils.errors import DataError, ParameterError
from ml_utils.files import read_json, sha256_bytes
from ml_utils.model import Model
from ml_utils.monitoring import ModelMonitor
from ml_utils.monitoring.predictions import SCORE, VERSION, Predictions, log_state, read_predictions
from ml_utils.monitoring.replay import replay
from ml_utils.monitoring.served import served_sentence
from ml_utils.monitoring.words import sentences
from ml_utils.paths import Workspace
from ml_utils.prediction_log import Entry, Feedback, LogUnavailable, open_log
from ml_utils.problem import Problem, load_problem
from ml_utils.registry import RegisteredModel
from ml_utils.registry.inputs import InputSchema
from ml_utils.registry.package import MANIFEST, pack, unpack
from ml_utils.serving.parity import json_rows

DAY = 86_400.0
MARCH = pd.Timestamp("2025-03-10").timestamp()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_home(tmp_path_factory.mktemp("home"), patch).root


@pytest.fixture(scope="module")
def plain(home: Path) -> Problem:
    return load_problem("small")


@pytest.fixture(scope="module")
def dated(plain: Problem) -> Problem:
    """The same table by month."""
    return plain.model_copy(update={"time": "month"})


@pytest.fixture(scope="module")
def champion() -> RegisteredModel:
    """Version 1, without a registry."""
    files = pack(fitted(), table()[FEATURES], "small", "ab" * 32)
    digest = sha256_bytes(files[MANIFEST])
    found = unpack(files, digest, "small version 1")
    return RegisteredModel("small", 1, found.model, found.schema, found.manifest, digest, files)


@pytest.fixture(scope="module")
def reference() -> pd.DataFrame:
    return monthly(300, 8, ["2025-01-31"])


@pytest.fixture(scope="module")
def production() -> pd.DataFrame:
    return monthly(400, 9, ["2025-02-28", "2025-03-31"])


def monthly(n: int, seed: int, months: list[str]) -> pd.DataFrame:
    """Each customer once a month."""
    parts = [table(n, seed + i).assign(month=pd.Timestamp(month)) for i, month in enumerate(months)]
    return pd.concat(parts, ignore_index=True)


def rows_of(n: int = 60, seed: int = 9) -> list[dict[str, object]]:
    return json_rows(table(n, seed)[FEATURES])


def entries(champion: RegisteredModel, rows: list[dict[str, object]], **changes: Any) -> list[Entry]:
    """What the service would log: a customer each, a day apart."""
    scores = champion.model.predict_score(champion.schema.prepare(rows)).tolist()
    return [
        Entry(
            f"r{i}", MARCH + i * DAY, f"K{i}", 1, "champion", score, score >= 0.25, json.dumps(row).encode()
        )._replace(**changes)
        for i, (row, score) in enumerate(zip(rows, scores, strict=True))
    ]


def write(log: str | Path, *made: Entry, outcomes: tuple[Feedback, ...] = ()) -> str | Path:
    async def work() -> None:
        opened = open_log(log)
        try:
            await opened.append(made)
            await opened.feedback(outcomes)
        finally:
            opened.close()

    asyncio.run(work())
    return log


def test_a_replay_comes_back_as_it_went(dated, champion, reference, production, tmp_path) -> None:
    log = replay(production, dated, champion, tmp_path / "log.sqlite")
    found = read_predictions(log, dated, champion, reference, replayed=True)
    back = found.table[list(production)]
    pd.testing.assert_frame_equal(back.astype({"month": production["month"].dtype}), production)
    assert np.abs(found.table[SCORE] - champion.model.predict_score(production)).max() < 1e-6
    assert set(found.table[VERSION]) == {1}
    assert (found.outcomes, found.repeated, found.others) == (800, 0, {})
    assert found.sentence() == (
        f"No service's log was named, so production was replayed into {log.as_posix()}: 800 predictions of "
        "version 1 from 2025-02-28 to 2025-03-31; the outcome is known by now for 800 (100.0 %)."
    )


def test_the_monitor_says_of_a_replay_what_it_says_of_the_rows(
    dated, champion, reference, production, tmp_path
) -> None:
    log = replay(production, dated, champion, tmp_path / "log.sqlite")
    found = read_predictions(log, dated, champion, reference)
    monitor = ModelMonitor(dated).fit(reference, champion.model)
    through, plainly = monitor.calculate(found.table, score=SCORE), monitor.calculate(production)
    for name in ("drift", "faults", "performance", "calibration"):
        pd.testing.assert_frame_equal(getattr(through, name), getattr(plainly, name))
    assert through.served["differing"].tolist() == [0, 0]
    assert plainly.served is None
    assert served_sentence(through.served) == (
        "All 800 served scores are what the registered model gives for the logged inputs, to within a "
        "millionth."
    )


def test_a_second_replay_says_the_same_and_replaces_the_first(
    plain, champion, reference, production, tmp_path
) -> None:
    log = tmp_path / "log.sqlite"
    first, second = (
        read_predictions(replay(rows, plain, champion, log), plain, champion, reference, replayed=True)
        for rows in (production, production[:100])
    )
    assert (len(first.table), len(second.table)) == (800, 100)
    assert "predictions of version 1; the outcome" in second.sentence()  # no times to speak of
    again = read_predictions(replay(production, plain, champion, log), plain, champion, reference)
    pd.testing.assert_frame_equal(again.table, first.table)


def test_rows_without_an_outcome_are_replayed_without_one(
    dated, champion, reference, production, tmp_path
) -> None:
    open_ended = production.assign(left=production["left"].where(production.index < 300))
    for rows, known in ((open_ended, 300), (production.drop(columns="left"), 0)):
        log = replay(rows, dated, champion, tmp_path / "log.sqlite")
        assert read_predictions(log, dated, champion, reference).outcomes == known


def test_outcomes_that_come_late_are_used_from_then_on(dated, champion, reference, tmp_path) -> None:
    made = entries(champion, rows_of())
    log = write(tmp_path / "log.sqlite", *made)
    monitor = ModelMonitor(dated).fit(reference, champion.model)
    before = read_predictions(log, dated, champion, reference)
    assert (before.outcomes, before.table["left"].notna().sum()) == (0, 0)
    assert monitor.calculate(before.table, SCORE).of_metric()["value"].isna().all()
    late = [Feedback(float(i % 2), MARCH + 99 * DAY, entry.request_id) for i, entry in enumerate(made[:20])]
    write(log, outcomes=(*late, Feedback(0.3, MARCH + 99 * DAY, "r30")))
    after = read_predictions(log, dated, champion, reference)
    assert (after.outcomes, after.odd) == (20, 1)
    assert after.table["left"].tolist()[:3] == ["no", "yes", "no"]
    assert "1 outcome neither 0 nor 1" in after.sentence()
    assert monitor.calculate(after.table, SCORE).of_metric()["n_labelled"].sum() == 20


def test_other_versions_shadows_and_other_days_are_left_out(dated, champion, reference, tmp_path) -> None:
    made = entries(champion, rows_of())
    other = [entry._replace(request_id=f"b{i}", version=2) for i, entry in enumerate(made[:7])]
    aside = [entry._replace(version=2, shadow=True) for entry in made[:30]]
    log = write(tmp_path / "log.sqlite", *made, *other, *aside)
    whole = read_predictions(log, dated, champion, reference)
    assert (len(whole.table), whole.others) == (60, {2: 7})
    assert "left out: 7 of version 2" in whole.sentence()
    part = read_predictions(log, dated, champion, reference, "2025-03-15", "2025-03-20")
    assert (len(part.table), part.others) == (5, {2: 2})
    assert whole.results()["of_other_versions"] == 7
    assert whole.measured()["predictions"] == {1: 60, 2: 7}


def test_repeated_customers_are_counted_and_strangers_are_no_customer(
    dated, champion, reference, tmp_path
) -> None:
    made = entries(champion, rows_of())
    same_month = [entry._replace(customer="K0") for entry in made[:3]]
    strangers = [entry._replace(customer=None) for entry in made[3:]]
    found = read_predictions(
        write(tmp_path / "log.sqlite", *same_month, *strangers), dated, champion, reference
    )
    assert (len(found.table), found.repeated) == (60, 2)
    assert found.table["customer"].nunique() == 58
    assert "2 predictions of customers who had one in the same period" in found.sentence()


def test_values_of_every_type_get_the_types_of_training(plain, champion, reference, tmp_path) -> None:
    full = {"tenure": 3, "spend": 7, "plan": "pro", "auto pay": True, "since": "2023-05-01T10:00:00Z"}
    lacking = {"tenure": 4.0, "plan": None, "since": None}
    made = [
        Entry(f"r{i}", MARCH + i, None, 1, "champion", 0.5, None, json.dumps(row).encode())
        for i, row in enumerate((full, full, lacking))
    ]
    found = read_predictions(write(tmp_path / "log.sqlite", *made), plain, champion, reference).table
    expected = champion.schema.prepare([full, full, lacking | {"spend": None, "auto pay": None}])
    pd.testing.assert_frame_equal(found[FEATURES], expected)
    assert found["since"].tolist()[:1] == [pd.Timestamp("2023-05-01 10:00")]
    assert found["tenure"].dtype == "int64"


class Doubling:
    """Scores twice its only column."""

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return 2 * X["score"].to_numpy(float)


def test_inputs_called_like_the_log_s_own_and_numbers_as_outcomes(plain, tmp_path) -> None:
    problem = plain.model_copy(update={"task": "regression", "target": "value", "positive": None, "id": None})
    X = pd.DataFrame({"score": [1.0, 2.5], "version": ["a", "b"], "outcome": [True, False]})
    model = RegisteredModel(
        "m", 1, Model(Doubling(), "regression", tuple(X), "double"), InputSchema.from_frame(X), None, "", {}
    )
    frame = X.assign(value=[3.25, np.nan])
    log = replay(frame, problem, model, tmp_path / "log.sqlite")
    found = read_predictions(log, problem, model, frame)
    pd.testing.assert_frame_equal(found.table[list(frame)], frame)
    assert found.table[SCORE].tolist() == [2.0, 5.0]


@pytest.mark.parametrize("values", [(1, 0), (True, False), ("ja", "nein"), (2.0, 1.0)])
def test_outcomes_get_the_values_of_the_target(
    plain, champion, reference, production, tmp_path, values
) -> None:
    problem = plain.model_copy(update={"positive": values[0]})
    named = [frame.assign(left=frame["left"].map({"yes": values[0], "no": values[1]})) for frame in (
        production, reference
    )]  # fmt: skip
    log = replay(named[0], problem, champion, tmp_path / "log.sqlite")
    found = read_predictions(log, problem, champion, named[1])
    y, back = (data.features_and_target(frame, problem)[1] for frame in (named[0], found.table))
    assert back.tolist() == y.tolist()
    assert set(found.table["left"]) == set(values)


def test_times_have_the_zone_of_the_table(dated, champion, reference, production, tmp_path) -> None:
    zoned = [f.assign(month=f["month"].dt.tz_localize("Asia/Tokyo")) for f in (production, reference)]
    log = replay(zoned[0], dated, champion, tmp_path / "log.sqlite")
    found = read_predictions(log, dated, champion, zoned[1])
    assert found.table["month"].tolist() == zoned[0]["month"].tolist()
    assert data.periods(found.table, dated).unique().tolist() == ["2025-02", "2025-03"]


def test_a_group_is_the_customer(plain, champion, reference, tmp_path) -> None:
    grouped = plain.model_copy(update={"group": "household"})
    log = write(tmp_path / "log.sqlite", *entries(champion, rows_of()))
    found = read_predictions(log, grouped, champion, reference)
    assert found.table["household"].tolist() == found.table["customer"].tolist()


def test_a_score_that_is_not_the_model_s_is_an_alert_of_its_own(dated, champion, reference, tmp_path) -> None:
    made = entries(champion, rows_of())
    wrong = [e._replace(score=e.score / 2 if i % 3 == 0 else e.score) for i, e in enumerate(made)]
    log = write(tmp_path / "log.sqlite", *wrong)
    found = read_predictions(log, dated, champion, reference)
    result = ModelMonitor(dated).fit(reference, champion.model).calculate(found.table, score=SCORE)
    assert result.served["differing"].sum() == 20
    assert "20 of 60 served scores (33.3 %) are not what the registered model" in served_sentence(
        result.served
    )
    alert = result.alerts[0]
    assert (alert.severity, alert.subject) == ("critical", "served scores")
    assert "served something else than the registered model" in alert.what
    assert sentences(result, dated)[2].startswith("Find out first what the service runs")


def test_served_scores_are_what_is_monitored(dated, champion, reference, production) -> None:
    monitor = ModelMonitor(dated).fit(reference, champion.model)
    own = champion.model.predict_score(production)
    result = monitor.calculate(production, score=1 - own)
    rows = result.of_metric()
    assert (rows["value"] < 0.5).all()  # the other way round, as served
    assert monitor.calculate(production, score=own).served["largest"].max() == 0


def test_rounding_is_no_drift_where_many_rows_share_a_score(dated, champion, reference, production) -> None:
    class Coarse:
        def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
            p = np.where(X["tenure"] < 15, 0.6, 0.2)
            return np.column_stack([1 - p, p])

    monitor = ModelMonitor(dated).fit(reference, replace(champion.model, pipeline=Coarse()))
    exact = np.where(production["tenure"] < 15, 0.6, 0.2)
    result = monitor.calculate(production, score=exact - 3e-8)
    pd.testing.assert_frame_equal(result.drift, monitor.calculate(production).drift)
    assert result.served["largest"].max() == pytest.approx(3e-8)


def test_bad_scores_are_told(dated, champion, reference, production) -> None:
    monitor = ModelMonitor(dated).fit(reference, champion.model)
    with pytest.raises(DataError, match="no column 'scores'"):
        monitor.calculate(production, score="scores")
    with pytest.raises(DataError, match="one finite number a row; got 3 for 800 rows"):
        monitor.calculate(production, score=[0.1, 0.2, 0.3])
    with pytest.raises(DataError, match="got 799 for 800 rows"):
        monitor.calculate(production, score=[None, *[0.5] * 799])


def test_what_cannot_be_read_is_told(dated, champion, reference, tmp_path) -> None:
    def ask(log: Path | str, **span: str) -> Predictions:
        return read_predictions(log, dated, champion, reference, **span)

    log = write(tmp_path / "log.sqlite", *entries(champion, rows_of(5), version=2))
    with pytest.raises(LogUnavailable, match=r"no prediction log .*none\.sqlite"):
        ask(tmp_path / "none.sqlite")
    with pytest.raises(DataError, match=r"Version 1, .* answered nothing .*; there is version 2 \(5 rows\)"):
        ask(log)
    with pytest.raises(DataError, match=r"no predictions from 2030-01-01 on\. .* or take another span"):
        ask(log, since="2030-01-01")
    with pytest.raises(ParameterError, match="'soon' is no moment"):
        ask(log, since="soon")
    with pytest.raises(ParameterError, match="a password; credentials come from the environment"):
        ask("postgresql://me:hunter2@db/log")
    other = [Entry("o", MARCH, None, 1, "champion", 0.5, None, b'{"tenure": 3}')]
    with pytest.raises(DataError, match="are not what version 1 of the registry takes: The table lacks 4"):
        ask(write(tmp_path / "other.sqlite", *other))
    wrong = [
        e._replace(inputs=e.inputs.replace(b'"plan"', b'"plan": 3, "x"'))
        for e in entries(champion, rows_of(1))
    ]
    assert len(ask(write(tmp_path / "number.sqlite", *wrong)).table) == 1  # a number is text where text was
    text = [
        e._replace(inputs=b'{"tenure": "old", "spend": 1, "plan": "a", "auto pay": true, "since": null}')
        for e in wrong
    ]
    with pytest.raises(DataError, match="takes whole numbers; got 'old'"):
        ask(write(tmp_path / "text.sqlite", *text))


def test_a_page_is_rebuilt_when_its_log_grew(home, champion, reference, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("OCTAVO_HOME", str(tmp_path))
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copytree(home / "data" / "problems", tmp_path / "data" / "problems")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    workspace = Workspace("small", "full", tmp_path)
    problem = load_problem("small")

    def inputs(**parameters: object) -> dict[str, Any]:
        runner.write_inputs(problem, workspace, parameters)
        return read_json(workspace.results / "inputs" / "05-model-monitoring.json")

    assert "log" not in inputs()
    assert inputs(prediction_log="log.sqlite")["log"] == "out of reach"
    day = inputs(log_since=datetime.date(2026, 1, 31))  # as YAML reads it
    assert day["parameters"]["log_since"] == "2026-01-31"
    made = entries(champion, rows_of(3))
    states = []
    for new, outcomes in (
        (made[:2], ()),
        (made[2:], ()),
        ((), (Feedback(1.0, MARCH + 9e6, "r0"),)),
        ((), ()),
    ):
        write(tmp_path / "log.sqlite", *new, outcomes=outcomes)  # a relative path starts at the root
        states.append(inputs(prediction_log="log.sqlite")["log"])
    assert len(set(states)) == 3
    assert states[2] == states[3] == log_state(tmp_path / "log.sqlite")
    with pytest.raises(ParameterError, match="a password"):
        inputs(prediction_log="postgresql://me:hunter2@db/log")


def served_and_read(
    folder: Path, champion: RegisteredModel, problem: Problem, reference: pd.DataFrame, seed: int
) -> Predictions:
    """Ask a real service, tell it some outcomes, and read what it logged."""
    write_package(folder / "package", seed=seed)
    frame = table(200, 9)
    customers = frame["customer"].tolist()
    outcomes = [
        {"customer": name, "outcome": value == "yes"}
        for name, value in zip(customers[:150], frame["left"][:150], strict=True)
    ]
    log = folder / "log.sqlite"
    with service("--package", folder / "package", "--log", log) as running, Client(running.url) as client:
        client.predict_batch(json_rows(frame[FEATURES][:199]), customers[:199])
        client.predict(json_rows(frame[FEATURES][199:])[0], customers[199])
        assert client.feedback_batch(outcomes) == 150
        found = read_predictions(log, problem, champion, reference)  # while it runs
    pd.testing.assert_frame_equal(found.table[FEATURES], champion.schema.prepare(frame[FEATURES]))
    assert found.table["left"].tolist()[:150] == frame["left"].tolist()[:150]
    assert found.outcomes == 150
    return found


def test_a_service_is_monitored_by_what_it_served(plain, champion, reference, tmp_path) -> None:
    monitor = ModelMonitor(plain, n_periods=2).fit(reference, champion.model)
    right = served_and_read(tmp_path / "right", champion, plain, reference, seed=7)
    result = monitor.calculate(right.table, score=SCORE)
    assert result.served["differing"].sum() == 0
    assert result.of_metric()["n_labelled"].tolist() == [100, 50]
    other = served_and_read(tmp_path / "other", champion, plain, reference, seed=11)  # under the same number
    result = monitor.calculate(other.table, score=SCORE)
    assert result.served["differing"].sum() > 190
    assert result.alerts[0].subject == "served scores"


@pytest.mark.full
def test_a_log_in_postgresql_is_read_as_a_file_is(
    dated, champion, reference, tmp_path, monkeypatch, postgres: PostgreSQL
) -> None:
    monkeypatch.setenv("LOG_PASSWORD", postgres.password)
    address = postgres.url("${LOG_PASSWORD}")
    made = entries(champion, rows_of())
    made += [entry._replace(request_id=f"b{i}", version=2) for i, entry in enumerate(made[:7])]
    made += [entry._replace(shadow=True, version=2) for entry in made[:5]]
    outcomes = tuple(Feedback(float(i % 2), MARCH + 99 * DAY, f"r{i}") for i in range(20))
    assert log_state(address) == "(0, None) (0, None)"
    places = [write(log, *made, outcomes=outcomes) for log in (address, tmp_path / "log.sqlite")]
    there, here = (read_predictions(log, dated, champion, reference, "2025-03-12") for log in places)
    pd.testing.assert_frame_equal(there.table, here.table)
    assert there.results() == here.results()
    assert (len(there.table), there.outcomes, there.others) == (58, 18, {2: 5})
    assert postgres.password not in there.sentence()
    assert "${LOG_PASSWORD}" in there.place
    assert log_state(address).startswith("(72, ")
    monkeypatch.setenv("LOG_PASSWORD", "wrong")
    assert log_state(address) == "out of reach"
    with pytest.raises(LogUnavailable, match="password authentication failed"):
        read_predictions(address, dated, champion, reference)

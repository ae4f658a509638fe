"""The whole as a user meets it: make report for the retailer and a real table, the pages in a browser."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from page_numbers import untraced
from whole_project import SMALL, copy_project, make, rebuilt, running

from ml_utils.paths import NOTEBOOKS
from ml_utils.sockets import bind

pytestmark = pytest.mark.full

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PUBLIC = Path(os.environ.get("OCTAVO_PUBLIC_DATA", "data/public"))
EVERYTHING = [name[:2] for name in NOTEBOOKS]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_project(tmp_path_factory.mktemp("project"))
    assert rebuilt(make(folder, "report", f"PARAMS={SMALL}")) == EVERYTHING
    return folder


@pytest.fixture(scope="module")
def telco(project: Path) -> Path:
    if not (PUBLIC / "telco.csv").is_file():
        pytest.skip("telco.csv is not there; data/README.md says where to download it")
    assert rebuilt(make(project, "report", "PROBLEM=tests/problems/telco.yaml")) == EVERYTHING
    return project


def check_pages(folder: Path, problem: str) -> None:
    reports, results = folder / "reports" / problem, folder / "data" / "results" / problem
    assert sorted(path.stem for path in reports.glob("*.html")) == sorted([*NOTEBOOKS, "index"])
    index = (reports / "index.html").read_text()
    for name in NOTEBOOKS:
        page = reports / f"{name}.html"
        assert page.stat().st_size < 6e6
        assert f'href="{name}.html"' in index
        recorded = json.loads((results / f"{name}.json").read_text())
        assert len(recorded["answer"]) == 3
        files = [results / f"{name}.json", results / f"{name}.run.json", results / "inputs" / f"{name}.json"]
        missing = untraced(reports / "executed" / f"{name}.ipynb", files)
        assert not missing, f"{name}: numbers on the page that no results file holds: {missing}"


def test_the_retailers_report_is_whole_and_every_number_is_recorded(project: Path) -> None:
    check_pages(project, "churn")


def test_only_what_depends_on_an_experiments_parameter_is_rebuilt(project: Path) -> None:
    assert rebuilt(make(project, "report", f"PARAMS={SMALL}")) == []
    assert rebuilt(make(project, "report", f"PARAMS={SMALL} -p power 0.7")) == ["06", "08"]


def test_two_runs_find_the_same_to_the_byte(project: Path, tmp_path: Path) -> None:
    again = copy_project(tmp_path)
    rebuilt(make(again, "report", f"PARAMS={SMALL} -p power 0.7", "JOBS=1"))
    for name in NOTEBOOKS:
        part = Path("data") / "results" / "churn" / f"{name}.json"
        assert (again / part).read_bytes() == (project / part).read_bytes(), name


@pytest.mark.parametrize("problem", ["spend", "conversion"])
def test_the_other_built_in_problems(project: Path, problem: str) -> None:
    rebuilt(make(project, "report", f"PROBLEM={problem}", f"PARAMS={SMALL}"))
    check_pages(project, problem)


def test_a_real_tables_report_is_whole(telco: Path) -> None:
    check_pages(telco, "telco")


def test_a_real_table_without_id_or_time(project: Path) -> None:
    if not (PUBLIC / "online_shoppers.csv").is_file():
        pytest.skip("online_shoppers.csv is not there; data/README.md says where to download it")
    rebuilt(make(project, "report", "PROBLEM=tests/problems/online_shoppers.yaml", f"PARAMS={SMALL}"))
    check_pages(project, "online_shoppers")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not there: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield started
        started.close()


def test_pages_open_offline_and_show_what_they_hold(project: Path, browser: object) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)  # type: ignore[attr-defined]
    page = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    reports = project / "reports" / "churn"
    for name in [*NOTEBOOKS, "index"]:
        page.goto((reports / f"{name}.html").as_uri())
        assert page.locator("h1").inner_text()
        if name == "index":
            assert page.locator("article.card").count() == 8
            continue
        first = page.locator(".answer").bounding_box()
        assert first["y"] + first["height"] < 900, f"{name}: the answer is not on the first screen"
        for box in [figure.bounding_box() for figure in page.locator("figure svg").all()]:
            assert box["width"] > 300
            assert box["height"] > 60
        assert page.locator("details.code[open]").count() == 0
        page.click("#all-code")
        assert page.locator("details.code[open]").count() == page.locator("details.code").count() > 5
        for link in page.locator("nav.contents ol a").all():
            anchor = link.get_attribute("href").removeprefix("#")
            assert page.locator(f'[id="{anchor}"]').count() == 1, f"{name}: {anchor}"
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 1280, f"{name} is wider than the screen"
        page.emulate_media(media="print")
        assert not page.locator("nav.contents").is_visible()
        page.emulate_media(media="screen")
    assert [url for url in asked if not url.startswith(("file://", "data:"))] == []
    assert faults == []


def free_port() -> int:
    with bind("127.0.0.1", 0) as taken:
        return int(taken.getsockname()[1])


def wait_for(url: str, seconds: float = 90) -> httpx.Response:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return httpx.get(url, timeout=5, follow_redirects=True)
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def test_make_serve_serves_the_champion(project: Path) -> None:
    port = free_port()
    with running(project, "serve", f"PORT={port}"):
        assert wait_for(f"http://127.0.0.1:{port}/health").status_code == 200
        schema = httpx.get(f"http://127.0.0.1:{port}/openapi.json").json()
        assert "/predict" in schema["paths"]
        assert httpx.get(f"http://127.0.0.1:{port}/model").json()


def test_make_serve_without_a_champion_says_what_to_do(tmp_path: Path) -> None:
    done = make(copy_project(tmp_path), "serve", f"PORT={free_port()}")
    assert done.returncode != 0
    assert "make report" in done.stderr
    assert "Traceback" not in done.stderr


def test_make_mlflow_shows_what_was_logged(project: Path) -> None:
    port = free_port()
    with running(project, "mlflow", f"PORT={port}"):
        assert wait_for(f"http://127.0.0.1:{port}/health").status_code == 200
        assert "MLflow" in httpx.get(f"http://127.0.0.1:{port}/").text


def test_make_lab_opens_jupyterlab(project: Path) -> None:
    port = free_port()
    with running(project, "lab", f"PORT={port}", "LAB=--no-browser --allow-root"):
        assert "version" in wait_for(f"http://127.0.0.1:{port}/api").json()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["PROBLEM=chrun"], "Did you mean 'churn'"),
        (["PROBLEM=nowhere/mine.yaml"], "There is no problem file nowhere/mine.yaml"),
        (["PARAMS=-p n_trails 5"], "Did you mean 'n_trials'"),
        (["PARAMS=-p n_trials five"], "n_trials must be int"),
        (["PARAMS=-p n_customers 3"], "n_customers is 3"),
    ],
)
def test_wrong_words_end_with_a_message_and_nothing_written(
    tmp_path: Path, words: list[str], message: str
) -> None:
    folder = copy_project(tmp_path)
    done = make(folder, "report", *words)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((folder / "reports").rglob("*.html"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no"),
        ("", "is empty (0 bytes)"),
        ("PAR1 nonsense", "is not a CSV file but a Parquet file"),
        ("id,x\n1,2\n2,3\n", "which the table does not have"),
        ("id,x,y\n1,2,a\n2,3,a\n", "has only one value"),
        ("id,x,y\n1,2,a\n1,3,b\n2,4,a\n", "share their id"),
    ],
)
def test_a_wrong_table_ends_with_a_message_and_nothing_half_written(
    tmp_path: Path, content: str | None, message: str
) -> None:
    folder = copy_project(tmp_path)
    (folder / "mine.yaml").write_text(
        "title: t\ntask: binary\nsource: {kind: csv, path: t.csv}\ntarget: y\npositive: a\nid: id\n"
    )
    if content is not None:
        (folder / "t.csv").write_text(content)
    done = make(folder, "report", "PROBLEM=mine.yaml")
    assert done.returncode != 0
    assert "01-feature-engineering failed in code cell" in done.stderr
    assert message in done.stderr
    assert not list((folder / "reports").rglob("*.html"))
    assert not list((folder / "data" / "results" / "mine").glob("*.json"))
    assert not list((folder / "data").rglob("*.parquet"))

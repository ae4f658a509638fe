"""Pages: one file, offline, the answer on top, and numbers that stand in the results."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from ml_utils.files import write_text
from ml_utils.paths import NOTEBOOKS
from ml_utils.report.pages import page_name, write_index, write_page
from ml_utils.results import NotebookRun, open_run

SVG = '<?xml version="1.0"?><svg width="200pt" height="100pt" viewBox="0 0 200 100"><text>hello</text></svg>'


@pytest.fixture
def run(project: Path) -> NotebookRun:
    for notebook in NOTEBOOKS:
        made = open_run(notebook, "churn", "test")
        snapshot = {"sha256": "ab" * 32}
        made.record(
            [f"{notebook} says <this>.", "Second.", "Third."],
            {"AUC": "0.912"},
            {"origin": "a table", "snapshot": snapshot},
            measured={"answer": ["This fast, here."]},
        )
    return open_run("03-model-evaluation", "churn", "test")


@pytest.fixture
def page(run: NotebookRun) -> str:
    code = nbformat.v4.new_code_cell("secret_code(1)", execution_count=1)
    table = "<table><tr><td>a name</td><td>−1,234.5</td></tr></table>"
    code.outputs = [
        nbformat.v4.new_output("display_data", {"image/svg+xml": SVG}),
        nbformat.v4.new_output("execute_result", {"text/html": table}, execution_count=1),
        nbformat.v4.new_output("stream", name="stderr", text="a warning"),
    ]
    cells = [
        nbformat.v4.new_markdown_cell("# How good is it?\n\nA paragraph."),
        nbformat.v4.new_markdown_cell("## First step\n\nWhy."),
        code,
    ]
    executed = run.workspace.reports / "executed" / "03.ipynb"
    write_text(executed, nbformat.writes(nbformat.v4.new_notebook(cells=cells)))
    path = write_page(executed, run.notebook, run.problem, run.workspace, {"alpha": 0.05, "problem": "churn"})
    return path.read_text()


def test_the_answer_stands_on_top_and_the_title_once(page: str) -> None:
    assert page.count("How good is it?") == 2  # <title> and <h1>
    assert page.index("03-model-evaluation says &lt;this&gt;.") < page.index("<h2")
    assert page.index("Third.") < page.index("This fast, here.") < page.index("<h2")
    assert "alpha 0.05" in page
    assert "abababababababab" in page


def test_contents_lead_to_the_steps(page: str) -> None:
    anchors = re.findall(r'href="#([^"]+)"', page)
    assert "First-step" in anchors
    assert all(f'id="{anchor}"' in page for anchor in anchors)


def test_code_and_messages_are_folded(page: str) -> None:
    assert re.search(r'<details class="code">.*secret_code', page, re.S)
    assert re.search(r'<details class="messages">.*a warning', page, re.S)
    assert "Out[" not in page


def test_nothing_leaves_the_page(page: str) -> None:
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert "@import" not in page
    assert "<?xml" not in page


def test_numbers_stand_to_the_right(page: str) -> None:
    assert '<td class="num">−1,234.5</td>' in page
    assert "<td>a name</td>" in page


def test_the_index_links_the_eight(run: NotebookRun) -> None:
    text = write_index(run.problem, run.workspace).read_text()
    for notebook in NOTEBOOKS:
        assert f'href="{notebook}.html"' in text
        assert f"{notebook} says &lt;this&gt;." in text
        assert page_name(notebook) in text
    assert text.count("0.912") == 8

"""The notebooks keep their shape."""

from __future__ import annotations

import ast

import nbformat
import pytest
from conftest import ROOT

from ml_utils.paths import NOTEBOOKS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_shape(name: str) -> None:
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4)
    cells = notebook.cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert cells[0].source.splitlines()[0].endswith("?"), "the title is a question"
    assert "| reads | writes |" in cells[0].source
    assert cells[1].metadata.get("tags") == ["parameters"]
    assert any(cell.source.startswith("## What we learned") for cell in cells)
    assert "run.record(" in cells[-1].source
    assert 14 <= len(cells) <= 34
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in code:
        assert not cell.outputs
        assert len(cell.source.splitlines()) <= 25, cell.source
        nodes = list(ast.walk(ast.parse(cell.source)))
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in nodes)
        assert "sys.path" not in cell.source
        assert "filterwarnings" not in cell.source


def test_there_are_eight() -> None:
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == sorted(NOTEBOOKS)

"""From an executed notebook to a page that a director can read: one file, offline, printable."""

from __future__ import annotations

import html
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_utils import __version__
from ml_utils.files import write_text
from ml_utils.paths import NOTEBOOKS, Workspace, project_root
from ml_utils.problem import Problem
from ml_utils.results import read_measured, read_results

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"


@dataclass(frozen=True)
class Heading:
    """A heading of a page, for its table of contents."""

    text: str
    anchor: str


def write_page(
    executed: Path, notebook: str, problem: Problem, workspace: Workspace, parameters: Mapping[str, Any]
) -> Path:
    """Render an executed notebook.

    Parameters
    ----------
    executed : Path
        The executed copy.
    notebook : str
        Stem of the notebook.
    problem : Problem
    workspace : Workspace
    parameters : mapping
        What the notebook was run with.

    Returns
    -------
    Path
        The page, written whole or not at all.
    """
    import nbformat
    from nbconvert import HTMLExporter

    content = nbformat.read(executed, as_version=4)
    title, headings = _outline(content.cells)
    recorded, measured = read_results(workspace, notebook), read_measured(workspace, notebook)
    exporter = HTMLExporter(
        template_name="report", extra_template_basedirs=[str(TEMPLATES)], anchor_link_text=""
    )
    exporter.register_filter("bare_svg", _bare_svg)
    exporter.register_filter("numbers_right", _numbers_right)
    body, _ = exporter.from_notebook_node(
        content,
        resources={
            "octavo": {
                "title": title,
                "headings": headings,
                # what depends on the machine stands apart, so that two runs record the same results
                "answer": _unbroken([*recorded["answer"], *measured.get("answer", [])]),
                "facts": _facts(notebook, problem, workspace, parameters),
                "problem": problem,
                "notebook": notebook,
                "pages": _neighbours(notebook),
                "css": _css(),
            }
        },
    )
    return write_text(workspace.reports / f"{notebook}.html", body)


def write_index(problem: Problem, workspace: Workspace) -> Path:
    """Write the page that links the eight, with each one's answer and headline figures.

    Raises
    ------
    MissingInputError
        If one of the notebooks has not been run.
    """
    from jinja2 import Environment, FileSystemLoader

    pages = []
    for notebook in NOTEBOOKS:
        recorded = read_results(workspace, notebook)
        pages.append(
            {
                "href": f"{notebook}.html",
                "number": notebook[:2],
                "name": page_name(notebook),
                "answer": _unbroken(recorded["answer"]),
                "headline": recorded["headline"],
            }
        )
    environment = Environment(loader=FileSystemLoader(TEMPLATES / "report"), autoescape=True)
    snapshot = read_results(workspace, NOTEBOOKS[0])["results"]
    body = environment.get_template("overview.html.j2").render(
        problem=problem,
        pages=pages,
        origin=snapshot["origin"],
        snapshot=snapshot["snapshot"]["sha256"],
        version=code_version(),
        written=_now(),
        css=_css(),
    )
    return write_text(workspace.reports / "index.html", body)


def page_name(notebook: str) -> str:
    """Return a page's short name.

    >>> page_name("06-ab-testing"), page_name("08-production-ml-pipeline")
    ('A/B testing', 'Production ML pipeline')
    """
    words = notebook[3:].replace("-", " ").replace("ab testing", "A/B testing").replace("ml ", "ML ")
    return words[0].upper() + words[1:]


def code_version() -> str:
    """Return the package's version with the commit, where there is one."""
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    commit = git.stdout.strip()
    return f"{__version__} ({commit})" if git.returncode == 0 and commit else __version__


def _outline(cells: list[Any]) -> tuple[str, list[Heading]]:
    """Find the title and the steps; take the title out of its cell, since the page's head shows it."""
    title, headings = "", []
    for cell in cells:
        if cell.cell_type != "markdown":
            continue
        found = re.match(r"# (.+)\n?", cell.source)
        if found and not title:
            title = found.group(1).strip()
            cell.source = cell.source[found.end() :].lstrip()
        for line in cell.source.splitlines():
            if line.startswith("## "):
                text = line.removeprefix("## ").strip()
                headings.append(Heading(text, text.replace(" ", "-")))
    return title, headings


def _facts(
    notebook: str, problem: Problem, workspace: Workspace, parameters: Mapping[str, Any]
) -> dict[str, str]:
    snapshot = read_results(workspace, NOTEBOOKS[0])["results"]["snapshot"]["sha256"]
    measured = read_measured(workspace, notebook)
    shown = {k: v for k, v in parameters.items() if k not in ("problem", "profile") and v != ""}
    return {
        "Problem": f"{problem.name}: {problem.title}",
        "Snapshot": f"SHA-256 {snapshot[:16]}…",
        "Parameters": ", ".join(f"{name} {_plain(value)}" for name, value in shown.items()) or "none",
        "Code": code_version(),
        "Run": f"{_now()}, {measured.get('seconds', 0):.0f} s",
    }


def _unbroken(sentences: list[str]) -> list[str]:
    """Keep a number and its unit on one line."""
    return [re.sub(r"(?<=\d) (?=%)|(?<=\b[A-Z]{3}) (?=\d)", "\u00a0", sentence) for sentence in sentences]


def _css() -> str:
    return (TEMPLATES / "report" / "page.css").read_text(encoding="utf-8")


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _neighbours(notebook: str) -> list[dict[str, str]]:
    return [
        {"href": f"{name}.html", "name": f"{name[:2]} {page_name(name)}", "here": str(name == notebook)}
        for name in NOTEBOOKS
    ]


def _bare_svg(svg: str | list[str]) -> str:
    """Take the XML prolog off an SVG and let it shrink with the page."""
    text = "".join(svg)
    text = text[text.index("<svg") :]
    return re.sub(
        r'<svg\b([^>]*?)\swidth="([\d.]+)pt"', r'<svg\1 style="max-width:\2pt" width="100%"', text, count=1
    )


def _numbers_right(table: str | list[str]) -> str:
    """Mark the cells of a table that hold a number, so that they stand under one another."""
    number = r"[−-]?(?:[A-Z]{3} ?)?[\d,]*\.?\d+(?:e[+-]?\d+)?(?: ?%| ms| s)?"
    text = "".join(table)
    text = re.sub(
        rf'<td([^>]*?) class="([^"]*)"([^>]*)>(\s*{number}\s*)</td>', r'<td\1 class="\2 num"\3>\4</td>', text
    )
    return re.sub(rf"<td(?![^>]*class)([^>]*)>(\s*{number}\s*)</td>", r'<td class="num"\1>\2</td>', text)


def _now() -> str:
    return html.escape(datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))

"""Finding the numbers that a page shows in the results that its notebook recorded."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat

NUMBER = re.compile(r"(?<![\w.\-/:#])[−-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w/:]|-\d)")


def untraced(executed: Path, recorded: list[Path]) -> dict[int, list[str]]:
    """List by cell the numbers in a notebook's output that no recorded file holds.

    Cells tagged `preview` show rows of a table or a file as they are, and figures draw the tables beside
    them: neither is looked at. A number is found where a recorded one rounds to it, as it is or as a
    percentage (also of what is left to 100 %).
    """
    values: list[float] = []
    for path in recorded:
        _collect(json.loads(path.read_text()), values)
    missing: dict[int, list[str]] = {}
    for i, cell in enumerate(nbformat.read(executed, 4).cells):
        if cell.cell_type != "code" or "preview" in cell.metadata.get("tags", []):
            continue
        shown = [token for output in cell.outputs for token in NUMBER.findall(_text(output))]
        lost = [token for token in shown if not _found(token, values)]
        if lost:
            missing[i] = lost
    return missing


def _collect(value: object, into: list[float]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _collect(key, into)
            _collect(item, into)
    elif isinstance(value, list):
        into.append(float(len(value)))
        for item in value:
            _collect(item, into)
    elif isinstance(value, str):
        into.extend(_number(token) for token in NUMBER.findall(value))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        into.append(float(value))


def _text(output: nbformat.NotebookNode) -> str:
    if output.output_type == "stream":
        return str(output.text) if output.name == "stdout" else ""
    data = output.get("data", {})
    if "image/svg+xml" in data:
        return ""
    text = str(data.get("text/html") or data.get("text/markdown") or data.get("text/plain", ""))
    text = re.sub(r"<style.*?</style>|<th[^>]*row_heading.*?</th>", "", text, flags=re.S)
    return re.sub(r"<[^>]+>", " ", re.sub(r"<tr>\s*<th>\d+</th>", "", text))


def _number(token: str) -> float:
    return float(token.replace(",", "").replace("−", "-"))


def _found(token: str, values: list[float]) -> bool:
    x = abs(_number(token))
    mantissa = token.split("e")[0]
    digits = len(mantissa.split(".")[1]) if "." in mantissa else 0
    if "e" in token:
        return any(abs(x - abs(v)) <= 0.6 * abs(v) for v in values)
    half = 0.5000001 * 10**-digits
    return any(
        min(abs(x - abs(v)), abs(x - abs(100 * v)), abs(x - 100 + abs(100 * v))) <= half for v in values
    )

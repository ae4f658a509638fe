"""Rows at the edges of what a model takes: where a compiled form would differ, if it did."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ml_utils.compiled.blocks import Numbers
from ml_utils.compiled.files import TREES
from ml_utils.compiled.scorer import CompiledScorer
from ml_utils.registry.input_columns import InputColumn

Row = dict[str, object]
USUAL_ROWS = 20  # rows within what training saw, each with one value at an edge
MOST_CUTS = 30  # cut points of trees that are tried for a column
_HUGE = (0.0, -1.0, 0.5, 1e-300, 1e6, -1e6, 1e15, -1e15, 2.0**53 + 2, 1e30, -1e30, 1e300, -1e300)
_WORDS = ("", " ", "never seen", "Ünsëen Välue", "(missing)", "(rare)", "0", "nan", "None", "a\tb", "x" * 300)
_TIMES = (
    *("0001-01-01", "1582-10-15", "1969-12-31T23:59:59.999999", "1970-01-01", "2000-02-29T12:30:00"),
    *("2023-12-31", "2024-01-01T00:00:00", "2024-02-29T23:59:59", "2024-12-30", "2026-06-30T08:15:00+05:30"),
    *("2038-01-19T03:14:08Z", "2262-04-12", "9999-12-31T23:59:59"),
)


def edge_rows(columns: tuple[InputColumn, ...], compiled: CompiledScorer, seed: int = 42) -> list[Row]:
    """Make rows at the edges: missing in each column, unseen, extreme, and on every kind of cut point.

    Parameters
    ----------
    columns : tuple of InputColumn
        Of the model's schema.
    compiled : CompiledScorer
        Says where fences, bins and trees cut.
    seed : int
        Draws the usual values beside the one at an edge.

    Returns
    -------
    list of dict
        JSON values. Some the pipeline itself refuses: those are no edge rows, whoever compares leaves them
        out.
    """
    rng = np.random.default_rng(seed)
    usual = [{column.name: _usual(column, rng) for column in columns} for _ in range(USUAL_ROWS)]
    cuts = _cuts(compiled)
    rows: list[Row] = [*usual, {column.name: None for column in columns}]
    for column in columns:
        values = [None, *_edges(column, sorted(cuts.get(column.name, ())), rng)]
        rows += [{**usual[int(rng.integers(USUAL_ROWS))], column.name: value} for value in values]
    for _ in range(USUAL_ROWS):  # several at once
        gone = rng.random(len(columns)) < 0.4
        row = usual[int(rng.integers(USUAL_ROWS))]
        rows.append(
            {name: None if out else value for (name, value), out in zip(row.items(), gone, strict=True)}
        )
    return rows


def _usual(column: InputColumn, rng: np.random.Generator) -> object:
    if column.kind == "boolean":
        return bool(rng.random() < 0.5)
    if column.kind == "text":
        known = column.categories
        return str(known[int(rng.integers(len(known)))]) if known else column.typical
    if column.kind == "time" or column.minimum is None or column.maximum is None:
        return column.typical
    low, high = float(column.minimum), float(column.maximum)
    value = low + (high - low) * float(rng.random())
    return round(value) if column.kind == "integer" else value


def _edges(column: InputColumn, cuts: list[float], rng: np.random.Generator) -> Iterator[object]:
    if column.kind == "boolean":
        yield from (True, False)
    elif column.kind == "text":
        yield from _WORDS
        for value in (column.categories or ())[:50]:
            yield from (value, f" {value.upper()} ", value.replace(" ", "-"))
    elif column.kind == "time":
        yield from _TIMES
        yield from (column.minimum, column.maximum)
    else:
        yield from _numbers(column, cuts, rng)


def _numbers(column: InputColumn, cuts: list[float], rng: np.random.Generator) -> Iterator[object]:
    bounds = [float(bound) for bound in (column.minimum, column.maximum) if isinstance(bound, int | float)]
    if len(cuts) > MOST_CUTS:
        chosen = np.sort(rng.choice(len(cuts), MOST_CUTS, replace=False))
        cuts = [cuts[int(i)] for i in chosen]
    for value in (*bounds, *cuts):
        yield from _around(value)
    for low, high in pairwise(bounds):
        width = max(high - low, 1.0)
        yield from (low - width, high + width, low - 1e3 * width, high + 1e3 * width, (low + high) / 2)
    for value in _HUGE:
        yield int(value) if column.kind == "integer" and value.is_integer() else value


def _around(value: float) -> Iterator[float]:
    """Yield a number, and those next to it in 64 and in 32 bits."""
    yield from (value, math.nextafter(value, math.inf), math.nextafter(value, -math.inf))
    if abs(value) < 1e38:
        single = np.float32(value)
        up, down = np.nextafter(single, np.float32(np.inf)), np.nextafter(single, np.float32(-np.inf))
        yield from (float(single), float(up), float(down))


def _cuts(compiled: CompiledScorer) -> dict[str, set[float]]:
    """Return where fences, bins and trees cut raw numbers, by column."""
    found: dict[str, set[float]] = {}
    for block in compiled.features.blocks:
        if isinstance(block, Numbers):
            for name, low, high, fenced in zip(
                block.names, block.lower, block.upper, block.fenced, strict=True
            ):
                found[name] = {low, high} if fenced else set()
    for item in compiled.spec["features"]["creators"]:
        if item["kind"] == "bins":
            for _, source, edges, _ in item["columns"]:
                found.setdefault(source, set()).update(edges)
    for place, cut in _tree_cuts(compiled.files):
        name = compiled.features.names[place]
        if name in found:
            found[name].add(cut)
    return found


def _tree_cuts(files: Mapping[str, bytes]) -> Iterator[tuple[int, float]]:
    if TREES not in files:
        return
    import onnx

    for node in onnx.load_from_string(files[TREES]).graph.node:
        if node.op_type == "TreeEnsemble":
            given: dict[str, Any] = {
                item.name: onnx.helper.get_attribute_value(item) for item in node.attribute
            }
            splits = onnx.numpy_helper.to_array(given["nodes_splits"]).tolist()
            yield from set(zip(given["nodes_featureids"], splits, strict=True))

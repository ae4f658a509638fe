"""What fitted creators of columns learnt, written down for `compiled.creators`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ml_utils.errors import CannotCompile
from ml_utils.features.creation import Bins, Differences, Distances, Formulas, GroupStatistics, Ratios
from ml_utils.features.creation.formula.tree import Column, Node, Number, Text, walk
from ml_utils.registry.input_columns import Kind
from ml_utils.words import normal_form

Spec = dict[str, Any]
Kinds = Mapping[str, Kind]


def compile_creator(creator: Any, kinds: Kinds) -> Spec:
    """Write a fitted creator of columns down.

    Raises
    ------
    CannotCompile
        If it has no compiled form, or reads a column in a way that has none.
    """
    known: dict[type, Callable[[Any, Kinds], Spec]] = {
        Formulas: _formulas,
        Ratios: _pairs,
        Differences: _pairs,
        GroupStatistics: _groups,
        Bins: _bins,
        Distances: _places,
    }
    if type(creator) not in known:
        raise CannotCompile(f"columns by {type(creator).__name__}")
    return known[type(creator)](creator, kinds)


def _need_number(name: str, kinds: Kinds) -> str:
    if kinds.get(name) in ("text", "time"):
        raise CannotCompile(f"the column {name!r}, which holds {kinds[name]} and is used as a number")
    return name


def _formulas(creator: Formulas, kinds: Kinds) -> Spec:
    trees = []
    for name, tree in creator.trees_.items():
        for node in walk(tree):
            if isinstance(node, Column) and node.name not in creator.trees_:
                _check_cell(node, kinds)
        trees.append([name, _tree(tree)])
    return {"kind": "formulas", "trees": trees}


def _check_cell(node: Column, kinds: Kinds) -> None:
    kind = kinds.get(node.name)
    fits = {"number": ("number", "integer", "boolean"), "date": ("time",), "text": ("text", "boolean")}
    if kind is not None and kind not in fits.get(node.kind, ()):
        raise CannotCompile(f"a formula that takes the {kind} column {node.name!r} for a {node.kind}")


def _tree(node: Node) -> list[Any]:
    from ml_utils.compiled.from_engineer import zone_name

    if isinstance(node, Number):
        return ["number", float(node.value)]
    if isinstance(node, Text):
        return ["text", normal_form(node.value)]
    if isinstance(node, Column):
        zone = None if node.reading is None else zone_name(node.reading.zone)
        return ["column", node.name, node.kind or "number", zone]
    return ["apply", node.operation, [_tree(argument) for argument in node.arguments]]


def _pairs(creator: Ratios | Differences, kinds: Kinds) -> Spec:
    pairs = [
        [new.name, *(_need_number(name, kinds) for name in pair)]
        for new, pair in zip(creator.created_, creator.pairs_, strict=True)
    ]
    return {"kind": "pairs", "what": "ratio" if isinstance(creator, Ratios) else "difference", "pairs": pairs}


def _groups(creator: GroupStatistics, kinds: Kinds) -> Spec:
    for name in creator.groups_:
        if kinds.get(name) == "time":
            raise CannotCompile(f"the column {name!r}, times taken for groups")
    plan = [
        (category, number, statistic)
        for category, number in creator.tables_
        for statistic in dict.fromkeys(creator.statistics)
    ]
    columns = []
    for new, (category, number, statistic) in zip(creator.created_, plan, strict=True):
        table = creator.tables_[category, number]
        far = statistic in ("deviation", "z")
        if far:
            _need_number(number, kinds)
        own = None if far else _listed(getattr(table, statistic))
        parts = [_listed(table.mean), _listed(table.std)] if far else [None, None]
        columns.append([new.name, category, number, statistic, *parts, own])
    groups = {
        name: {form: int(place) for form, place in seen.items()} for name, seen in creator.groups_.items()
    }
    return {"kind": "groups", "groups": groups, "columns": columns}


def _listed(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _bins(creator: Bins, kinds: Kinds) -> Spec:
    columns = [
        [new.name, _need_number(name, kinds), edges.tolist(), list(creator.labels_[name])]
        for new, (name, edges) in zip(creator.created_, creator.edges_.items(), strict=True)
    ]
    return {"kind": "bins", "columns": columns}


def _places(creator: Distances, kinds: Kinds) -> Spec:
    for columns in creator.columns_.values():
        for name in columns:
            _need_number(name, kinds)
    names = iter(new.name for new in creator.created_)
    points = [
        [next(names), place, latitude, longitude]
        for place, named in creator.points_.items()
        for latitude, longitude in named.values()
    ]
    between = [[next(names), one, other] for one, other in creator.pairs_]
    areas = [[next(names), place, centres.tolist()] for place, centres in creator.centres_.items()]
    places = {name: list(columns) for name, columns in creator.columns_.items()}
    return {"kind": "places", "places": places, "points": points, "between": between, "areas": areas}

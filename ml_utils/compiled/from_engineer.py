"""What a fitted FeatureEngineer learnt, written down for `compiled.features`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

import numpy as np

from ml_utils.compiled.from_creators import compile_creator
from ml_utils.errors import CannotCompile
from ml_utils.features.blocks import Block, CategoryBlock, DateBlock, TextBlock
from ml_utils.features.categories import Categories, Lookup, Slots
from ml_utils.features.creation.dates import _FROM_ONE, _LENGTHS
from ml_utils.features.creation.interactions import Interactions
from ml_utils.features.creation.splines import Splines
from ml_utils.features.encoding import Hashed
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.features.numbers import NumberBlock
from ml_utils.features.origins import SEVERAL
from ml_utils.features.scaling import Scaling
from ml_utils.registry.input_columns import Kind

Spec = dict[str, Any]
Kinds = Mapping[str, Kind]


def compile_engineer(engineer: Any, kinds: Kinds) -> Spec:
    """Write a fitted engineer down.

    Parameters
    ----------
    engineer : FeatureEngineer
    kinds : mapping of str to Kind
        Of the raw columns.

    Raises
    ------
    CannotCompile
        If an option has no compiled form.
    """
    if type(engineer) is not FeatureEngineer:
        raise CannotCompile(f"features by {type(engineer).__name__}; those of FeatureEngineer are compiled")
    assembly = engineer.columns_
    blocks = []
    for block, scaling in zip(assembly.blocks, assembly.scalings, strict=True):
        written = _block(block, kinds)
        written["scaling"] = None if scaling is None else _scaling(scaling)
        blocks.append(written)
    names = [str(name) for name in engineer.made_in_]
    return {
        "creators": [compile_creator(creator, kinds) for creator in engineer.creators_],
        "blocks": blocks,
        "steps": _steps(engineer, names),
        "names": [str(name) for name in engineer.dictionary_["feature"]],
        "sources": [str(source).split(SEVERAL) for source in engineer.dictionary_["source"]],
    }


def _block(block: Block, kinds: Kinds) -> Spec:
    known: dict[type, Callable[[Any, Kinds], Spec]] = {
        NumberBlock: _numbers,
        CategoryBlock: _categories,
        DateBlock: _dates,
        TextBlock: _texts,
    }
    return known[type(block)](block, kinds)


def _numbers(block: NumberBlock, kinds: Kinds) -> Spec:
    if block.imputer is not None:
        raise CannotCompile(f"imputation={block.imputation!r}, which asks other columns or rows")
    for name in block.columns:
        if kinds.get(name) == "text":
            raise CannotCompile(f"the column {name!r}, which holds numbers written as text")
        if kinds.get(name) == "time":
            raise CannotCompile(f"the column {name!r}, times taken for numbers")
    return {
        "kind": "number",
        "columns": block.columns,
        "lower": [_bound(value) for value in np.ravel(block.lower)],
        "upper": [_bound(value) for value in np.ravel(block.upper)],
        "fill": [float(value) for value in np.ravel(block.fill)],
        "marked": [int(i) for i in block.marked],
    }


def _bound(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _categories(block: CategoryBlock, kinds: Kinds) -> Spec:
    columns = []
    for name in block.columns:
        if kinds.get(name) == "time":
            raise CannotCompile(f"the column {name!r}, times taken for categories")
        columns.append(_category(name, block.known[name], block.encoded[name]))
    return {"kind": "category", "columns": columns}


def _category(name: str, known: Categories, encoded: Slots | Lookup) -> Spec:
    if isinstance(encoded, Slots):
        slots = np.arange(encoded.width)
        outputs = (encoded.slot[:, None] == slots[None, :]).astype(float)
    else:
        outputs = encoded.table.T
    return {
        "name": name,
        "forms": {form: int(place) for form, place in known.places.items()},
        "values": list(known.values),
        "outputs": outputs.tolist(),
        "hashed": encoded.width if isinstance(encoded, Hashed) else 0,
    }


def _dates(block: DateBlock, kinds: Kinds) -> Spec:
    made = block.features
    for name in made.readings_:
        if kinds.get(name) != "time":
            raise CannotCompile(
                f"the column {name!r}, dates written as text; let the source read it as dates"
            )
    items: list[list[Any]] = []
    for name in made.columns_:
        for part in dict.fromkeys(made.parts):
            if part == "days_since_start":
                items.append(["from", name, _micro(made.start_[name].to_datetime64())])
            else:
                items.append(["part", name, part])
        for part in dict.fromkeys(made.cycles):
            for wave in ("sin", "cos"):
                items.append(["wave", name, part, _LENGTHS[part], int(part in _FROM_ONE), wave])
        for item, since in made.since_.items():
            if item != name:
                items.append(
                    ["between", name, item] if since is None else ["from", name, _micro(since)],
                )
    return {
        "kind": "date",
        "columns": {name: zone_name(reading.zone) for name, reading in made.readings_.items()},
        "features": items,
        "fill": [float(value) for value in block.fill],
    }


def _micro(moment: np.datetime64) -> int:
    return int(moment.astype("datetime64[us]").astype("int64"))


def zone_name(zone: tzinfo | None) -> str | int | None:
    """Write a time zone down: its name, or seconds east of UTC where it is a fixed offset.

    Raises
    ------
    CannotCompile
        If it is neither.
    """
    if zone is None:
        return None
    key = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if key is not None:
        return str(key)
    offsets = {zone.utcoffset(datetime(2024, month, 1)) for month in (1, 7)}
    if zone is UTC or (len(offsets) == 1 and None not in offsets):
        return int(next(iter(offsets)).total_seconds())  # type: ignore[union-attr]
    raise CannotCompile(f"the time zone {zone}, which has no name")


def _texts(block: TextBlock, kinds: Kinds) -> Spec:
    columns = []
    for name, topics in block.features.topics_.items():
        if kinds.get(name) == "time":
            raise CannotCompile(f"the column {name!r}, times taken for text")
        vectorizer = topics.vectorizer
        columns.append(
            {
                "name": name,
                "vocabulary": {word: int(place) for word, place in vectorizer.vocabulary_.items()},
                "idf": vectorizer.idf_.tolist(),
                "topics": topics.components.tolist(),
                "pattern": vectorizer.token_pattern,
            }
        )
    return {"kind": "text", "columns": columns}


def _scaling(scaling: Scaling) -> Spec:
    if scaling.scaler is not None:
        raise CannotCompile(f"scaling={scaling.kind!r}")
    parts = {"minus": scaling.minus, "by": scaling.by, "times": scaling.times, "plus": scaling.plus}
    return {key: None if part is None else np.ravel(part).tolist() for key, part in parts.items()}


def _steps(engineer: FeatureEngineer, names: Sequence[str]) -> list[Spec]:
    """Write down what is made of features, what is chosen, and components."""
    steps: list[Spec] = []
    there = list(names)
    for creator in engineer.feature_creators_:
        if isinstance(creator, Splines):
            steps.append(_splines(creator, there))
        elif isinstance(creator, Interactions):
            steps.append(_products(creator, there))
        else:
            raise CannotCompile(f"features by {type(creator).__name__}")
        there += [new.name for new in creator.created_]
    if len(engineer.selected_) < len(there):
        steps.append({"kind": "chosen", "places": [there.index(name) for name in engineer.selected_]})
        there = list(engineer.selected_)
    if engineer.reduction_ is not None:
        reduction = engineer.reduction_
        steps.append(
            {
                "kind": "components",
                "centre": reduction.center_.tolist(),
                "scale": reduction.scale_.tolist(),
                "weights": reduction.weights_.tolist(),
            }
        )
    return steps


def _splines(creator: Splines, names: Sequence[str]) -> Spec:
    columns = []
    for name, spline in creator.splines_.items():
        columns.append([names.index(name), np.asarray(spline.bsplines_[0].t, dtype=float).tolist()])
    return {"kind": "splines", "degree": int(creator.degree), "columns": columns}


def _products(creator: Interactions, names: Sequence[str]) -> Spec:
    places = [names.index(name) for name in creator.columns_]
    factors = [
        [place for place, n in zip(places, row, strict=True) for _ in range(int(n))]
        for row in creator.powers_
    ]
    return {"kind": "products", "factors": factors}

"""YAML that a person reads and edits: a rule a line; and the line that a wrong one stands in."""

from __future__ import annotations

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Writes lists, tuples and mappings in one line, whole numbers without their point."""


_Dumper.add_representer(tuple, lambda dumper, pair: dumper.represent_list(list(pair)))
_Dumper.add_representer(
    float,
    lambda dumper, x: dumper.represent_int(int(x)) if x == int(x) and abs(x) < 1e15
    else dumper.represent_scalar("tag:yaml.org,2002:float", _decimal(x)),
)  # fmt: skip


def _decimal(x: float) -> str:
    """Write a float as a person would: without an exponent where it is not tiny."""
    text = f"{x:.12g}"
    if "e" not in text:
        return text
    return f"{x:.12f}".rstrip("0") if 1e-9 < abs(x) < 1 else f"{x:.1f}"


def flow(value: object) -> str:
    """Write a value in one line of YAML.

    >>> flow({"range": (1.0, 2.5), "missing": 0.0001})
    '{range: [1, 2.5], missing: 0.0001}'
    """
    text = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")


def line_of(node: yaml.Node | None, loc: list[Any]) -> int:
    """Return the line, from 1, at which the deepest known part of a place stands."""
    line = node.start_mark.line + 1 if node else 1
    for part in loc:
        child = None
        if isinstance(node, yaml.MappingNode):
            child = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child = (node.value[part], node.value[part])
        if child is None:
            break
        line, node = child[0].start_mark.line + 1, child[1]
    return line

"""Where a feature comes from: its source columns, and what was made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ml_utils.features.creation.created import Created

SEVERAL = " + "  # between the names of a feature's source columns, as explanation/ reads them
# LightGBM and XGBoost refuse these in a feature's name.
_REFUSED = str.maketrans(
    {"[": "(", "]": ")", "{": "(", "}": ")", "<": "‹", ">": "›", '"': "'", ":": ";", ",": ";"}
)


@dataclass(frozen=True)
class Origin:
    """A feature's name, the column that it was made from, and how.

    `kind` is number, missing, category, target mean, order, frequency, hash, date, text, or the kind of a
    created feature (ratio, interaction, component, ...); `detail` is the category or what else tells features
    of one kind apart. `meaning` and `formula` are given where the kind alone doesn't tell them; `sources` are
    the raw columns, where the column was made from others.
    """

    feature: str
    column: str
    kind: str
    detail: str = ""
    meaning: str = ""
    formula: str = ""
    sources: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The raw columns that the feature comes from, in one text."""
        return SEVERAL.join(self.sources or (self.column,))


def from_created(new: Created) -> Origin:
    """Describe a created column as the feature that it is."""
    return Origin(new.name, new.sources[0], new.kind, "", new.meaning, new.formula, new.sources)


def unique(origins: Iterable[Origin]) -> list[Origin]:
    """Give features names that differ, and that every library takes."""
    seen: dict[str, int] = {}
    found = []
    for origin in origins:
        name = origin.feature.translate(_REFUSED)
        seen[name] = seen.get(name, 0) + 1
        name = name if seen[name] == 1 else f"{name} ({seen[name]})"
        found.append(replace(origin, feature=name))
    return found


def name_features(origins: Iterable[Origin], created: Sequence[Created]) -> list[Origin]:
    """Name features of columns, and trace those of created columns back to the raw table.

    Parameters
    ----------
    origins : iterable of Origin
    created : sequence of Created
        Columns that were made from others, which may be created too.
    """
    made = {new.name: new for new in created}
    made_from = {new.name: new.sources for new in created}
    found = []
    for item in unique(origins):
        new = made.get(item.column)
        if item.kind == "number" and new is not None:
            item = replace(item, kind=new.kind, meaning=new.meaning, formula=new.formula)
        found.append(replace(item, sources=_raw(item.sources or (item.column,), made_from)))
    return found


def trace_created(created: Iterable[Created], features: Iterable[Origin]) -> list[Origin]:
    """Describe features that were made from other features, which are traced already."""
    by_name = {origin.feature: origin.sources for origin in features}
    found = []
    for new in created:
        sources = dict.fromkeys(raw for name in new.sources for raw in by_name[name])
        found.append(replace(from_created(new), sources=tuple(sources)))
    return found


def _raw(names: Iterable[str], made_from: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for name in names:
        found.update(dict.fromkeys(_raw(made_from[name], made_from) if name in made_from else (name,)))
    return tuple(found)

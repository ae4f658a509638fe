"""Topics of texts, as `features.creation.text` learnt them: TF-IDF of words, times the topics' weights."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from ml_utils.compiled import cells
from ml_utils.compiled.table import Table
from ml_utils.registry.input_columns import Kind
from ml_utils.words import word


class Texts:
    """Topics of text columns.

    Parameters
    ----------
    spec : mapping
        columns: list of mappings with name, vocabulary (word → place), idf (of each place), topics (a list of
        weights, a place each, for each topic), pattern (of a word).
    kinds : mapping of str to Kind
    """

    def __init__(self, spec: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
        self.columns = [_Column(item, kinds.get(item["name"], "text")) for item in spec["columns"]]
        self.width = sum(column.width for column in self.columns)

    def one(self, row: Mapping[str, Any], out: list[float]) -> None:
        """Append a row's topics."""
        for column in self.columns:
            found = cells.read(column.kind)(row[column.name], column.name)
            out += column.topics_of("" if cells.is_missing(found) else word(found))

    def many(self, table: Table, out: np.ndarray) -> None:
        """Write the topics of all rows."""
        start = 0
        for column in self.columns:
            codes, values = table.coded(column.name)
            each = np.array([*(column.topics_of(word(value)) for value in values), [0.0] * column.width])
            out[start : start + column.width] = each[codes].T
            start += column.width


class _Column:
    def __init__(self, item: Mapping[str, Any], kind: Kind) -> None:
        self.name: str = item["name"]
        self.kind: Kind = kind
        self.vocabulary: dict[str, int] = dict(item["vocabulary"])
        self.idf = np.array(item["idf"], dtype=float)
        self.topics = np.array(item["topics"], dtype=float)  # (n_topics, n_words)
        self.words = re.compile(item["pattern"]).findall
        self.width = len(self.topics)

    def topics_of(self, text: str) -> list[float]:
        """Return a text's topics."""
        counts = Counter(self.words(_without_accents(text.lower())))
        places = {self.vocabulary[found]: n for found, n in counts.items() if found in self.vocabulary}
        if not places:
            return [0.0] * self.width
        at = np.array(sorted(places))
        weights = np.array([math.log(places[place]) + 1.0 for place in at.tolist()]) * self.idf[at]
        weights /= math.sqrt(float(weights @ weights))
        found: list[float] = (self.topics[:, at] @ weights).tolist()
        return found


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    return "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))

"""Sentences as a few numbers: TF-IDF, brought down by a singular value decomposition (LSA)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError
from ml_utils.features.creation.base import Creator, distinct_values, named_or_all, unique_names
from ml_utils.features.creation.created import Created
from ml_utils.wording import listing
from ml_utils.words import word

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

logger = logging.getLogger(__name__)

SAMPLE = 50_000  # distinct texts that words and topics are learnt from
VOCABULARY = 10_000  # words, the most frequent ones


@dataclass(frozen=True)
class Topics:
    """What is known of one text column: the words with their weights, and the topics over them."""

    vectorizer: TfidfVectorizer
    components: np.ndarray  # (n_topics, n_words)
    words: list[str]  # of each topic, the weightiest


class TextFeatures(Creator):
    """Topics of text columns: how much each text is about the words that go together.

    Latent semantic analysis (Deerwester et al. 1990) by scikit-learn's TfidfVectorizer and TruncatedSVD, on
    words without accents and case. A text without a known word, or without any, is 0 in every topic. There
    are fewer topics than asked for where there are fewer texts or words; a column without words gives none.

    Parameters
    ----------
    columns : sequence of str, optional
        All columns unless given.
    n_components : int
        Topics of each column.
    seed : int

    Attributes
    ----------
    topics_ : dict of str to Topics
    """

    def __init__(self, columns: Sequence[str] | None = None, n_components: int = 10, seed: int = 42) -> None:
        self.columns = columns
        self.n_components = n_components
        self.seed = seed

    def _learn(self, table: pd.DataFrame, y: Any) -> None:
        if self.n_components < 1:
            raise ParameterError(f"n_components is {self.n_components}; it must be 1 or more.")
        self.topics_: dict[str, Topics] = {}
        for name in named_or_all(self.columns, table, "columns"):
            self._need(table, [name])
            texts, codes = _texts(table[name])
            topics = self._topics(texts, np.bincount(codes, minlength=len(texts)))
            if topics is None:
                logger.warning("%s holds no words in the training rows; it gives no features", name)
            else:
                self.topics_[name] = topics
        plan = [(name, i) for name, topics in self.topics_.items() for i in range(len(topics.components))]
        names = unique_names([f"{name}_topic_{i + 1}" for name, i in plan], ())
        self.created_ = [
            Created(
                new,
                (name,),
                "text",
                f"how much {name} is about: {self.topics_[name].words[i]}",
                f"topic {i + 1} of TF-IDF({name}), by singular value decomposition",
            )
            for new, (name, i) in zip(names, plan, strict=True)
        ]

    def _topics(self, texts: list[str], sizes: np.ndarray) -> Topics | None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        chosen = np.flatnonzero(sizes > 0)
        if len(chosen) > SAMPLE:
            chosen = np.sort(np.random.default_rng(self.seed).choice(chosen, SAMPLE, replace=False))
        sample = [texts[i] for i in chosen]
        vectorizer = TfidfVectorizer(
            strip_accents="unicode", sublinear_tf=True, max_features=VOCABULARY, dtype=np.float64
        )
        analyse = vectorizer.build_analyzer()
        if not any(analyse(text) for text in sample):
            return None
        weights = vectorizer.fit_transform(sample)
        n = min(self.n_components, *weights.shape)
        with np.errstate(invalid="ignore"):  # one text has no variance to explain
            svd = TruncatedSVD(n, random_state=self.seed).fit(weights)
        names = vectorizer.get_feature_names_out()
        return Topics(vectorizer, svd.components_, [_weightiest(row, names) for row in svd.components_])

    def _create(self, table: pd.DataFrame) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        for name, topics in self.topics_.items():
            texts, codes = _texts(table[name])
            values = topics.vectorizer.transform(texts) @ topics.components.T
            found += list(values[codes].T)
        return found


def _texts(column: pd.Series) -> tuple[list[str], np.ndarray]:
    """Return the distinct texts, the last for missing, and each row's place."""
    codes, distinct = distinct_values(column)
    return [*(word(value) for value in distinct), ""], np.where(codes < 0, len(distinct), codes)


def _weightiest(row: np.ndarray, names: np.ndarray, n: int = 5) -> str:
    order = np.argsort(-np.abs(row), kind="stable")[:n]
    return listing([str(names[i]) if row[i] > 0 else f"not {names[i]}" for i in order if abs(row[i]) > 1e-6])

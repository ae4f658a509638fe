"""A bar that shows how far a search is, its best score, and the time left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from ml_utils.training.candidates import Candidate
from ml_utils.training.search.options import SearchOptions
from ml_utils.wording import figure


class Progress:
    """Shows a bar over all trials where `show` is "bar"; else nothing.

    Parameters
    ----------
    show : "bar", callable or None
    candidates : sequence of Candidate
    options : SearchOptions
    """

    def __init__(
        self,
        show: Callable[[str], object] | str | None,
        candidates: Sequence[Candidate],
        options: SearchOptions,
    ) -> None:
        self._bar: Any = None
        self._total = sum(candidate.trials(options.n_trials) for candidate in candidates)
        self._wanted = show == "bar"

    def __enter__(self) -> Self:
        if self._wanted:
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, unit="trial", desc="search", leave=False)
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def tell(self, candidate: Candidate) -> Callable[[int, int, float], None]:
        """Return what a candidate's search calls after each trial."""

        def after(done: int, planned: int, best: float) -> None:
            if self._bar is not None:
                shown = figure(best, 4) if np.isfinite(best) else "none yet"
                self._bar.set_postfix_str(f"{candidate.label}, best {shown}", refresh=False)
                self._bar.update(1)

        return after

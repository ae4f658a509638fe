"""What a batch run did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_utils.wording import count

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class BatchScore:
    """What a batch run did.

    Parameters
    ----------
    output : Path or str
        A file or folder, or the address of a database's table without credentials.
    rows : int
    acted : int or None
        Rows whose score reaches the threshold; None for a regression.
    mean_score : float
    unusual : dict of str to int
        Column to rows with a value that training never saw.
    seconds : float
        That this run took.
    resumed : int
        Rows of these that an earlier run, which was stopped, had scored.
    """

    output: Path | str
    rows: int
    acted: int | None
    mean_score: float
    unusual: dict[str, int]
    seconds: float
    resumed: int = 0

    def to_frame(self) -> pd.DataFrame:
        """Return the figures, one a row."""
        import pandas as pd

        rows: dict[str, str] = {"rows scored": count(self.rows), "mean score": f"{self.mean_score:.4f}"}
        if self.acted is not None:
            rows["rows to act on"] = f"{count(self.acted)} ({100 * self.acted / self.rows:.1f} %)"
        rows["columns with values training never saw"] = count(len(self.unusual))
        return pd.DataFrame({"figure": list(rows), "value": list(rows.values())})

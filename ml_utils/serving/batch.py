"""Batch scoring, under the name that `make score` calls: see `ml_utils.batch`."""

from __future__ import annotations

import sys

from ml_utils.batch.__main__ import main
from ml_utils.batch.result import BatchScore
from ml_utils.batch.run import batch_score

__all__ = ["BatchScore", "batch_score", "main"]

if __name__ == "__main__":
    sys.exit(main())

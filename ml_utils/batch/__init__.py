"""Batch scoring: files or tables in, scores out, in constant memory; a run that was stopped goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_utils.lazily import importer

if TYPE_CHECKING:
    from ml_utils.batch.result import BatchScore
    from ml_utils.batch.run import batch_score

__all__ = ["BatchScore", "batch_score"]

# a worker that scores with a compiled model needs no pandas, so nothing that does is imported here
__getattr__ = importer(__name__, {"BatchScore": "result", "batch_score": "run"})

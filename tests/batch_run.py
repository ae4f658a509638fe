"""A batch run to be killed: python tests/batch_run.py PACKAGE SOURCE OUTPUT WORKERS."""

from __future__ import annotations

import sys

from ml_utils.batch import batch_score
from ml_utils.compiled.package import PackagedModel

if __name__ == "__main__":
    package, source, output, workers = sys.argv[1:]
    model = PackagedModel.read(package)
    batch_score(model, source, output, ["customer"], chunk=500, workers=int(workers))

"""Names of the files that a compiled model consists of."""

from __future__ import annotations

COMPILED, TREES, ARRAYS = "compiled.json", "trees-0.onnx", "trees-0.npz"
BOOSTER = "booster-{}.{}"  # number; txt for LightGBM, ubj for XGBoost
FORMAT = 1

"""Where boosters are fitted: on the processor, or on a GPU where there is one that they can use."""

from __future__ import annotations

import functools
import logging
import shutil
import subprocess
from collections.abc import Callable

from ml_utils.training.checks import one_of

logger = logging.getLogger(__name__)

DEVICES = ("cpu", "auto", "cuda")


def resolve_device(device: str = "auto", probe: Callable[[], bool] | None = None) -> str:
    """Return "cuda" where it was asked for, or "auto" finds it, and it works; else "cpu".

    Parameters
    ----------
    device : {"cpu", "auto", "cuda"}
        `cuda` on a machine without one is told in the log, and goes on with the processor.
    probe : callable, optional
        Tells whether a GPU can be used; by default asks the driver and XGBoost's build.

    Raises
    ------
    ParameterError
        If the device is unknown.

    Examples
    --------
    >>> resolve_device("auto", probe=lambda: False), resolve_device("auto", probe=lambda: True)
    ('cpu', 'cuda')
    """
    one_of("device", device, DEVICES)
    if device == "cpu":
        return "cpu"
    if (probe or _has_gpu)():
        return "cuda"
    if device == "cuda":
        logger.warning("device is 'cuda', but no GPU that XGBoost can use was found; the processor is used")
    return "cpu"


@functools.cache
def lightgbm_has_cuda() -> bool:
    """Tell whether LightGBM can use the GPU: the wheels of most platforms are built without it."""
    import numpy as np
    from lightgbm import LGBMRegressor
    from lightgbm.basic import LightGBMError

    try:
        LGBMRegressor(device_type="cuda", n_estimators=1, min_child_samples=1, verbosity=-1).fit(
            np.arange(8.0)[:, None], np.arange(8.0)
        )
    except LightGBMError as error:
        logger.warning("LightGBM is fitted on the processor: %s", error)
        return False
    return True


def _has_gpu() -> bool:
    if shutil.which("nvidia-smi") is None:
        return False
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    if "GPU " not in listed.stdout:
        return False
    import xgboost

    return bool(xgboost.build_info().get("USE_CUDA", False))

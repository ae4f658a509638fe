"""Loading pickles of known types only. What is known is written here, never in a model's own files.

A pickle may call anything that it can name, so the defence is in what it can name: the estimators of the
libraries that train models here, their parts, our own features and ensembles, and the arrays and tables that
they hold. No function that runs code, opens a file or imports a module is among them.

What remains a matter of trust: that the listed types themselves do nothing harmful whatever state they are
given, and that whoever may write to the registry is whom you think. The hash of a package (`package.verify`)
says that its files are those that were registered; this list says what they may contain.

An own estimator is added where the process is started, as `OCTAVO_TRUSTED_TYPES="mypackage.models:MyModel"`
(several with commas), or in code by `trust(MyModel)`.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
from typing import Any
from zoneinfo import ZoneInfo

from ml_utils.errors import RegistryError

VARIABLE = "OCTAVO_TRUSTED_TYPES"

# classes that are defined below these packages; constructing one of them stores its arguments
_OURS = (
    "ml_utils.features.",
    "ml_utils.training.calibration.",
    "ml_utils.training.candidates.",
    "ml_utils.training.ensembles.",
)

# module → names; parts that fitted estimators are made of
_NAMED: dict[str, frozenset[str]] = {
    "builtins": frozenset({"slice", "set", "frozenset", "range", "complex", "bytearray"}),
    "collections": frozenset({"OrderedDict", "defaultdict", "deque"}),
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
    "lightgbm.basic": frozenset({"Booster"}),
    "lightgbm.sklearn": frozenset({"LGBMClassifier", "LGBMRegressor"}),
    "xgboost.core": frozenset({"Booster"}),
    "xgboost.sklearn": frozenset({"XGBClassifier", "XGBRegressor"}),
    "catboost.core": frozenset({"CatBoostClassifier", "CatBoostRegressor"}),
    "ml_utils.training.candidates.linear": frozenset({"graded_columns"}),
    "numpy": frozenset({"dtype", "ndarray"}),
    "numpy._core.multiarray": frozenset({"_reconstruct", "scalar"}),
    "numpy._core.numeric": frozenset({"_frombuffer"}),
    "numpy.random._mt19937": frozenset({"MT19937"}),
    "numpy.random._pcg64": frozenset({"PCG64"}),
    "numpy.random._pickle": frozenset(
        {"__bit_generator_ctor", "__generator_ctor", "__randomstate_ctor"},
    ),
    "numpy.random.bit_generator": frozenset({"SeedSequence", "__pyx_unpickle_SeedSequence"}),
    "pandas": frozenset(
        {"CategoricalDtype", "DataFrame", "DatetimeIndex", "DatetimeTZDtype", "Index", "MultiIndex"}
        | {"RangeIndex", "Series", "StringDtype", "Timestamp", "Timedelta"}
    ),
    "pandas._libs.arrays": frozenset({"__pyx_unpickle_NDArrayBacked"}),
    "pandas._libs.internals": frozenset({"_unpickle_block"}),
    "pandas._libs.tslibs.nattype": frozenset({"_nat_unpickle"}),
    "pandas._libs.tslibs.timedeltas": frozenset({"_timedelta_unpickle"}),
    "pandas._libs.tslibs.timestamps": frozenset({"_unpickle_timestamp"}),
    "pandas.arrays": frozenset(
        {"ArrowStringArray", "BooleanArray", "Categorical", "DatetimeArray", "FloatingArray"}
        | {"IntegerArray", "NumpyExtensionArray", "StringArray"}
    ),
    "pandas.core.arrays.categorical": frozenset({"Categorical"}),
    "pandas.core.arrays.datetimes": frozenset({"DatetimeArray"}),
    "pandas.core.dtypes.dtypes": frozenset({"CategoricalDtype", "DatetimeTZDtype"}),
    "pandas.core.indexes.base": frozenset({"_new_Index"}),
    "pandas.core.indexes.datetimes": frozenset({"_new_DatetimeIndex"}),
    "pandas.core.internals.managers": frozenset({"BlockManager", "SingleBlockManager"}),
    "pyarrow.lib": frozenset({"_restore_array", "py_buffer", "type_for_alias"}),
    "scipy._lib.array_api_compat.numpy._aliases": frozenset({"asarray"}),
    "scipy.interpolate._bsplines": frozenset({"BSpline", "_BSpline"}),
    "scipy.sparse._csr": frozenset({"csr_array", "csr_matrix"}),
    "sklearn._loss._loss": frozenset(
        {"CyHalfBinomialLoss", "CyHalfMultinomialLoss", "CyHalfSquaredError"}
        | {"__pyx_unpickle_CyHalfMultinomialLoss"}
    ),
    "sklearn._loss.link": frozenset({"IdentityLink", "Interval", "LogitLink", "LogLink", "MultinomialLogit"}),
    "sklearn._loss.loss": frozenset({"HalfBinomialLoss", "HalfMultinomialLoss", "HalfSquaredError"}),
    "sklearn.calibration": frozenset({"_CalibratedClassifier", "_SigmoidCalibration"}),
    "sklearn.ensemble._hist_gradient_boosting.predictor": frozenset({"TreePredictor"}),
    "sklearn.impute._iterative": frozenset({"_ImputerTriplet"}),
    "sklearn.metrics._dist_metrics": frozenset({"EuclideanDistance64", "newObj"}),
    "sklearn.model_selection._split": frozenset({"KFold", "StratifiedKFold"}),
    "sklearn.neighbors._ball_tree": frozenset({"BallTree", "newObj"}),
    "sklearn.neighbors._kd_tree": frozenset({"KDTree", "newObj"}),
    "sklearn.neural_network._stochastic_optimizers": frozenset({"AdamOptimizer", "SGDOptimizer"}),
    "sklearn.tree._tree": frozenset({"Tree"}),
    "zoneinfo": frozenset({"ZoneInfo"}),
}

_added: set[tuple[str, str]] = set()


def trust(*types: type) -> None:
    """Let this process load pickles that hold these types too.

    Parameters
    ----------
    *types : type
        Own estimators, importable from a module.
    """
    _added.update((item.__module__, item.__qualname__) for item in types)


class UntrustedType(RegistryError):
    """A pickle names something that is not on the list."""


class TrustedUnpickler(pickle.Unpickler):
    """Unpickles the types on the list, and notes which modules that took.

    Parameters
    ----------
    content : bytes

    Examples
    --------
    >>> TrustedUnpickler(pickle.dumps({"a": [1.0]})).load()
    {'a': [1.0]}
    >>> TrustedUnpickler(pickle.dumps(eval)).load()
    Traceback (most recent call last):
    ml_utils.registry.unpickling.UntrustedType: it holds builtins.eval, which is not on the list of types ...
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.modules: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names, if it is on the list; raise UntrustedType otherwise."""
        if (module, name) == ("builtins", "getattr"):
            return _attribute
        ours = f"{module}.".startswith((*_OURS, "sklearn.", "numpy."))
        if not (_listed(module, name) or (ours and not module.endswith(".__main__"))):
            raise _untrusted(module, name)  # not even imported
        found = super().find_class(module, name)
        if not (_listed(module, name) or _known_kind(found)):
            raise _untrusted(module, name)
        self.modules.add(module.partition(".")[0])
        return found


def _attribute(thing: object, name: str) -> Any:
    """Stand in for getattr, by which time zones, and nothing else here, are pickled."""
    if thing is ZoneInfo and name == "_unpickle":
        return getattr(ZoneInfo, name)
    raise _untrusted("builtins", "getattr")


def _untrusted(module: str, name: str) -> UntrustedType:
    if module == "__main__":
        return UntrustedType(
            f"it holds {name} of the notebook or script itself, which cannot be imported elsewhere. Move it "
            "into a module."
        )
    if module.partition(".")[0] in sys.stdlib_module_names:  # such as eval: nobody's estimator
        return UntrustedType(f"it holds {module}.{name}, which is not on the list of types that are loaded.")
    return UntrustedType(
        f"it holds {module}.{name}, which is not on the list of types that are loaded. If it is an estimator "
        f"of yours and you trust it, start with {VARIABLE}={module}:{name} in the environment."
    )


def _listed(module: str, name: str) -> bool:
    if name in _NAMED.get(module, ()) or (module, name) in _added:
        return True
    own = os.environ.get(VARIABLE, "")
    return f"{module}:{name}" in {item.strip() for item in own.split(",")}


def _known_kind(found: object) -> bool:
    """Tell a scikit-learn estimator, a class of ours or a NumPy number from anything else."""
    import numpy as np
    from sklearn.base import BaseEstimator

    if not isinstance(found, type):
        return False
    home = f"{found.__module__}."
    if home.startswith("sklearn."):
        return issubclass(found, BaseEstimator)
    return home.startswith(_OURS) or issubclass(found, np.generic | np.dtype)

"""The errors that Octavo raises: one small tree.

Every message says what was received, what is allowed and how to mend it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class OctavoError(Exception):
    """Base of all errors that a user can mend."""


class ParameterError(OctavoError, ValueError):
    """A parameter is unknown, missing, or of the wrong type or range."""


class ProblemError(OctavoError, ValueError):
    """A problem file is missing, malformed or contradicts itself."""


class DataError(OctavoError, ValueError):
    """A table is missing, unreadable, or not what its problem file says."""


class LeakError(DataError):
    """A table holds columns or rows that know the answer."""


class RuleError(OctavoError, ValueError):
    """A file of quality rules is missing, malformed or contradicts itself."""


class MissingInputError(OctavoError, FileNotFoundError):
    """Something that an earlier notebook writes is not there."""


class IntegrityError(OctavoError):
    """A stored file does not match the hash that was recorded for it."""


class RegistryError(OctavoError):
    """The model registry cannot be reached, or has no such model or version."""


class FeatureStoreError(OctavoError):
    """The feature store cannot be written, or Feast is not installed."""


class ServiceError(OctavoError):
    """The prediction service cannot be started or does not answer."""


class CannotCompile(OctavoError):
    """A step of a pipeline has no compiled form; the pipeline itself scores then."""


class NotebookError(OctavoError):
    """A notebook failed while it was run."""


def list_known(received: str, known: Iterable[str]) -> str:
    """Say which names are known, the nearest to `received` first.

    Parameters
    ----------
    received : str
        The name that was not recognised.
    known : iterable of str
        The names that would have been.

    Returns
    -------
    str
        A phrase to end an error message with.

    Examples
    --------
    >>> list_known("n_trails", ["seed", "n_trials"])
    "Did you mean 'n_trials'? Known: n_trials, seed."
    """
    names = sorted(known)
    near = difflib.get_close_matches(received, names, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"{hint}Known: {', '.join(names)}."

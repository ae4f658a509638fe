"""Names of a package that are imported when they are first asked for.

A package whose own names need pandas can then hold modules that run without it, as the service does.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping


def importer(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return a module's `__getattr__` that imports each name from the submodule it lives in.

    Parameters
    ----------
    package : str
        The package's `__name__`.
    homes : mapping of str to str
        Name to submodule.

    Examples
    --------
    >>> importer("ml_utils", {"word": "words"})("word")(1.0)
    '1'
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return get

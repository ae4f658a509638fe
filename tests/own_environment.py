"""Tools in environments of their own, made on first use under .venvs; skipped where they cannot be made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from peers.environments import PeerError, installed


def own_environment(name: str, requirements: Sequence[str], version: str | None = None) -> Path:
    """Return the folder of an environment's programs; skip the test if it cannot be installed.

    Parameters are those of `peers.environments.installed`.
    """
    try:
        return installed(name, requirements, version).parent
    except PeerError as error:
        pytest.skip(str(error))

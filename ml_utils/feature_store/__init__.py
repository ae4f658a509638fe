"""Feature sets in a local Feast repository; needs the extra `feast`, in an environment of its own."""

from __future__ import annotations

from ml_utils.feature_store.definitions import Definitions, read_definitions
from ml_utils.feature_store.publishing import Published, publish

__all__ = ["Definitions", "Published", "publish", "read_definitions"]

"""Reading tables from where they live: files, folders, S3, the web, databases, the built-in retailer."""

from __future__ import annotations

from ml_utils.data.sources.fingerprints import fingerprint
from ml_utils.data.sources.reading import Table, read_other, read_source

__all__ = ["Table", "fingerprint", "read_other", "read_source"]

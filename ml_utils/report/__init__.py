"""Running a notebook, and turning it into a page."""

from __future__ import annotations

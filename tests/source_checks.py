"""What the tests of sources share: reading what cannot be read, and whether credentials are said."""

from __future__ import annotations

import re
import traceback

import pytest

from ml_utils.data.sources import fingerprint, read_source
from ml_utils.errors import OctavoError
from ml_utils.problem import Problem

PASSWORD = "hunter2/@ x"
ANY = "SELECT 1 AS a"


def failing(problem: Problem, secrets: tuple[str, ...] = (PASSWORD,)) -> str:
    """Read what cannot be read; return the message, having looked for credentials in all that is printed."""
    with pytest.raises(OctavoError) as caught:
        read_source(problem)
    printed = "".join(traceback.format_exception(caught.value))
    said = printed + fingerprint(problem)
    assert not [secret for secret in secrets if secret in said], said
    return str(caught.value)


def assert_match(pattern: str, text: str) -> None:
    """Find a pattern in a text, and show the text where it is not there."""
    assert re.search(pattern, text), text

"""Values as text, in one spelling: what makes two values of a column the same category."""

from __future__ import annotations

import re

import numpy as np

MISSING = "(missing)"
_BETWEEN_WORDS = re.compile(r"(?<=\w)[\s_-]+(?=\w)")


def word(value: object) -> str:
    """Write one value as text, a whole number without its point, a truth value in small letters.

    >>> word(1.0), word(" a "), word("TRUE"), word(False)
    ('1', 'a', 'true', 'false')
    """
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, int | float | np.integer | np.floating):
        return f"{value:.15g}"
    text = str(value).strip()
    return text.lower() if text.lower() in ("true", "false") else text


def normal_form(value: object) -> str:
    """Bring spellings of one category together: case, outer blanks, blanks and hyphens between words.

    Examples
    --------
    >>> [normal_form(text) for text in ("Month-to-month ", "month to month", "A+", "A-")]
    ['month to month', 'month to month', 'a+', 'a-']
    """
    return _BETWEEN_WORDS.sub(" ", word(value).casefold())

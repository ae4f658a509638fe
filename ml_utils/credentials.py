"""Credentials come from the environment: filled in, refused in a file, kept out of text."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from ml_utils.errors import ProblemError

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_SECRET_NAME = r"passw|pwd|secret|token|signature|^sig$|api.?key|access.?key|credential|^auth"
_ASSIGNED = re.compile(r"(?i)(?:passw\w*|pwd|secret\w*|token)\s*=\s*([^;&]+)")  # as in an ODBC string
_HELD = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD")
REFUSED = "credentials come from the environment only"
_FILLED_IN = "\0"  # stands for what the environment fills in


def is_url(text: str) -> bool:
    """Tell an address (`s3://…`, `https://…`) from a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def expand(text: str) -> str:
    """Fill `${NAME}` and `${NAME:-default}` in from the environment.

    In the user and password of an address, and in its query, what is filled in is percent-encoded, so that a
    password may hold any sign; the environment holds it as it is.

    Raises
    ------
    ProblemError
        If a variable is not set and has no default.

    Examples
    --------
    >>> expand("${NOT_SET_ANYWHERE:-data/public}/a.csv")
    'data/public/a.csv'
    >>> expand("${NOT_SET_ANYWHERE}/a.csv")
    Traceback (most recent call last):
    ml_utils.errors.ProblemError: '${NOT_SET_ANYWHERE}/a.csv' needs the environment variable ...
    """

    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        found = os.environ.get(name) or default
        if found is None:
            raise ProblemError(
                f"{mask(text)!r} needs the environment variable {name}, which is not set: export {name}=…"
            )
        return quote(found, safe="") if _inside_credentials(text, match) else found

    return _VARIABLE.sub(value, text)


def literal_credential(url: str) -> str | None:
    """Name the credential that stands in an address itself, if any does.

    Examples
    --------
    >>> literal_credential("postgresql://reader:hunter2@db/shop")
    'a password'
    >>> literal_credential("postgresql://reader:${SHOP_PASSWORD}@db/shop") is None
    True
    >>> literal_credential("https://host/table.csv?token=abc")
    'the value of token'
    """
    if not is_url(url):
        return None
    # A default is as literal as any other text; what the environment gives is not.
    literal = _VARIABLE.sub(lambda match: match.group(2) or _FILLED_IN, url)
    scheme, _, rest = literal.partition("://")
    user, password = _user_and_password(scheme, rest)
    if password.strip(_FILLED_IN):
        return "a password"
    if scheme in ("http", "https", "s3") and user.strip(_FILLED_IN):
        return "a user or key"
    for name, value in _query(rest):
        assigned = [found.strip(_FILLED_IN + " ") for found in _ASSIGNED.findall(value)]
        if (re.search(_SECRET_NAME, name, re.I) and value.strip(_FILLED_IN)) or any(assigned):
            return f"the value of {name}"
    return None


def secrets_in(url: str) -> set[str]:
    """Return the credentials that a filled-in address holds, and those that the environment does."""
    found = {os.environ[name] for name in _HELD if os.environ.get(name)}
    if is_url(url):
        scheme, _, rest = url.partition("://")
        user, password = _user_and_password(scheme, rest)
        found |= {password, *([user] if scheme in ("http", "https", "s3") else [])}
        for name, value in _query(rest):
            found |= {value} if re.search(_SECRET_NAME, name, re.I) else set(_ASSIGNED.findall(value))
    return {form for text in found for form in (text, unquote(text), quote(unquote(text), safe=""))} - {""}


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Put *** in the place of credentials: of those given, and of whatever looks like one in an address.

    Examples
    --------
    >>> mask("no answer from postgresql://reader:hunter2@db/shop")
    'no answer from postgresql://reader:***@db/shop'
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 2:  # one or two signs stand everywhere
            text = text.replace(secret, "***")
    text = re.sub(r"(://[^\s:/@'\"]*):[^\s'\"$]+@", r"\1:***@", text)
    names = _SECRET_NAME.replace("^", "").replace("$", "")
    return re.sub(rf"(?i)([?&;][\w.-]*(?:{names})[\w.-]*=)[^&;\s'\"$]+", r"\1***", text)


def public_address(url: str) -> str:
    """Return an address without user, password, query and fragment.

    >>> public_address("https://me:x@host:81/a/t.csv?token=1")
    'https://host:81/a/t.csv'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _inside_credentials(text: str, match: re.Match[str]) -> bool:
    begin = text.find("://")
    if begin < 0 or match.start() < begin:
        return False
    rest = text[begin + 3 :]
    position = match.start() - begin - 3
    query = rest.find("?")
    if 0 <= query < position:
        return True
    at = re.split(r"[/?#]", rest, maxsplit=1)[0].rfind("@") if text.startswith("http") else rest.rfind("@")
    return position < at


def _user_and_password(scheme: str, rest: str) -> tuple[str, str]:
    # A password may hold a slash where SQLAlchemy reads it; on the web a slash ends the host.
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0] if scheme in ("http", "https") else rest
    match = re.match(r"([^:/@]*)(?::([^@]*(?:@[^/@]*(?=@))*))?@", authority)
    return (match.group(1), match.group(2) or "") if match else ("", "")


def _query(rest: str) -> list[tuple[str, str]]:
    return parse_qsl(rest.partition("?")[2].partition("#")[0], keep_blank_values=True)

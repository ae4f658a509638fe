"""API keys: made once, kept as hashes, compared in constant time: `python -m ml_utils.serving.keys new NAME`.

A key is `octavo_<id>_<secret>` with 256 random bits as its secret. The file holds one line a key,
`name:id:salt:hash:scopes`, where hash = HMAC-SHA-256(salt, secret). A slow hash like scrypt protects short
passwords from being guessed; 256 random bits cannot be guessed at any speed, and a slow hash would cost each
request tens of milliseconds. Scopes are `predict`, `feedback`, `read` (of /model), joined by `+`.
"""

from __future__ import annotations

import argparse
import hmac
import os
import re
import secrets
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_utils.errors import OctavoError, ParameterError

PREFIX = "octavo"
SCOPES = ("predict", "feedback", "read")
VARIABLE = "OCTAVO_API_KEYS"  # lines of a key file, for places where secrets are environment variables
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key: nothing that would let anyone use it."""

    name: str
    id: str
    salt: str
    hash: str
    scopes: frozenset[str]

    def line(self) -> str:
        """Return its line in a key file."""
        scopes = "+".join(scope for scope in SCOPES if scope in self.scopes)
        return f"{self.name}:{self.id}:{self.salt}:{self.hash}:{scopes}"


_NOBODY = Key("", "", "00" * 16, "00" * 32, frozenset())


def new_key(name: str, scopes: Iterable[str] = SCOPES) -> tuple[str, Key]:
    """Make a key.

    Parameters
    ----------
    name : str
        Who will use it; letters, digits, dots, dashes. It appears in logs, so no person's name.
    scopes : iterable of str
        What it may do: predict, feedback, read.

    Returns
    -------
    tuple of str and Key
        The key itself, to be shown once and kept by its user, and what the service keeps.

    Raises
    ------
    ParameterError
        If the name or a scope is not allowed.
    """
    wanted = frozenset(scopes)
    if not _NAME.fullmatch(name):
        raise ParameterError(f"The key's name {name!r} may hold letters, digits, '.', '_' and '-', up to 64.")
    if not wanted or wanted - set(SCOPES):
        raise ParameterError(f"Scopes are {', '.join(SCOPES)}; got {', '.join(sorted(wanted)) or 'none'}.")
    identity, secret, salt = secrets.token_hex(4), secrets.token_urlsafe(32), secrets.token_hex(16)
    return f"{PREFIX}_{identity}_{secret}", Key(name, identity, salt, _hash(salt, secret), wanted)


class KeyRing:
    """The keys that a service accepts.

    Parameters
    ----------
    keys : iterable of Key

    Examples
    --------
    >>> text, kept = new_key("shop", ["predict"])
    >>> ring = KeyRing([kept])
    >>> ring.find(text).name, ring.find(text[:-1]), ring.find("nonsense")
    ('shop', None, None)
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        self._by_id = {key.id: key for key in keys}

    def __len__(self) -> int:
        return len(self._by_id)

    @classmethod
    def from_text(cls, text: str, where: str) -> KeyRing:
        """Read the lines of a key file; blank lines and those that begin with # are left aside.

        Raises
        ------
        ParameterError
            If a line is malformed; the message says which, and never repeats it.
        """
        keys = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                keys.append(_parse(line.strip(), f"{where}, line {number}"))
        return cls(keys)

    def find(self, presented: str) -> Key | None:
        """Return the key that was presented, or None; a wrong one takes as long as a right one."""
        _, _, rest = presented.partition("_")
        identity, _, secret = rest.partition("_")
        key = self._by_id.get(identity, _NOBODY)
        right = hmac.compare_digest(_hash(key.salt, secret), key.hash)
        return key if right and key is not _NOBODY and presented.startswith(f"{PREFIX}_") else None


def read_keys(path: Path | None) -> KeyRing | None:
    """Read the keys from a file and from OCTAVO_API_KEYS; None where neither is given: anyone may ask.

    Raises
    ------
    ParameterError
        If the file cannot be read or a line is malformed.
    """
    given = os.environ.get(VARIABLE)
    if path is None and given is None:
        return None
    text = ""
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ParameterError(
                f"The key file {path} cannot be read: {error}. Make one with `keys new`."
            ) from None
    return KeyRing.from_text(f"{text}\n{given or ''}", str(path or VARIABLE))


def _hash(salt: str, secret: str) -> str:
    return hmac.digest(bytes.fromhex(salt), secret.encode("utf-8", "replace"), "sha256").hex()


def _parse(line: str, where: str) -> Key:
    parts = line.split(":")
    if len(parts) == 5:
        name, identity, salt, digest, scopes = parts
        wanted = frozenset(scopes.split("+"))
        hexadecimal = all(_HEX.fullmatch(part) for part in (identity, salt, digest))
        sound = hexadecimal and len(digest) == 64 and len(salt) % 2 == 0
        if sound and _NAME.fullmatch(name) and wanted <= set(SCOPES):
            return Key(name, identity, salt, digest, wanted)
    raise ParameterError(
        f"{where} is not a key: wanted name:id:salt:hash:scopes as `python -m ml_utils.serving.keys new` "
        "writes it."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Make, list or revoke keys.

    Returns
    -------
    int
        Exit status; 1 with a message where something is wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m ml_utils.serving.keys", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("new", help="make a key and print it, once")
    new.add_argument("name", help="who will use it; appears in logs")
    new.add_argument("--scopes", default="+".join(SCOPES), help="joined by + (predict+feedback+read)")
    revoke = commands.add_parser("revoke", help="remove a name's keys")
    revoke.add_argument("name")
    listing = commands.add_parser("list", help="names and scopes")
    for command in (new, revoke, listing):
        command.add_argument("--file", type=Path, help="key file; without it a new line is printed")
    try:
        return _run(parser.parse_args(arguments))
    except OctavoError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _run(options: argparse.Namespace) -> int:
    if options.command == "new":
        text, key = new_key(options.name, options.scopes.split("+"))
        if options.file is None:
            sys.stderr.write(f"Give the service this line (a key file, or {VARIABLE}):\n{key.line()}\n")
        else:
            _write(options.file, [*_lines(options.file), key.line()])
        sys.stderr.write("The key, shown this once:\n")
        sys.stdout.write(f"{text}\n")
        return 0
    if options.file is None:
        raise ParameterError(f"`keys {options.command}` needs --file.")
    lines = _lines(options.file)
    if options.command == "list":
        for line in lines:
            key = _parse(line, str(options.file))
            sys.stdout.write(f"{key.name}\t{key.id}\t{'+'.join(sorted(key.scopes))}\n")
        return 0
    kept = [line for line in lines if line.partition(":")[0] != options.name]
    if kept == lines:
        raise ParameterError(f"{options.file} has no key of {options.name!r}; `keys list` shows what it has.")
    _write(options.file, kept)
    return 0


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"The key file {path} cannot be read: {error}.") from None


def _write(path: Path, lines: Sequence[str]) -> None:
    """Replace the file at once; only its owner may read it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write("".join(f"{line}\n" for line in lines))
        os.replace(aside, path)
    except OSError as error:
        raise ParameterError(f"The key file {path} cannot be written: {error.strerror}.") from None


if __name__ == "__main__":
    sys.exit(main())

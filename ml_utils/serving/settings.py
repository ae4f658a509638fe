"""How a service is run: limits, keys, log. From the command line, the environment, or a YAML file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from ml_utils.errors import ParameterError, list_known

MAX_BODY = 4 * 2**20  # bytes


@dataclass(frozen=True)
class Settings:
    """How a service is run.

    Parameters
    ----------
    keys : str or None
        Key file; None and no OCTAVO_API_KEYS lets anyone ask.
    rate, burst : float or None
        Requests a second and key, and at once; None for no limit.
    max_body : int
        Bytes of a request's body.
    timeout : float
        Seconds in which a request is answered, or refused with 504 (408 where its body did not come).
    drain : float
        Seconds between the signal to stop and the end, in which callers are told to go elsewhere.
    poll : float
        Seconds between two looks for another model.
    access_log : bool
        Whether each request is a line in the log.
    """

    keys: str | None = None
    rate: float | None = None
    burst: float | None = None
    max_body: int = MAX_BODY
    timeout: float = 10.0
    drain: float = 1.0
    poll: float = 1.0
    access_log: bool = True

    def __post_init__(self) -> None:
        wrong = [
            name
            for name in ("rate", "burst", "max_body", "timeout", "poll")
            if (value := getattr(self, name)) is not None and not (_number(value) and value > 0)
        ]
        if not (_number(self.drain) and self.drain >= 0):
            wrong.append("drain")
        if wrong:
            said = ", ".join(f"{name} = {getattr(self, name)!r}" for name in wrong)
            raise ParameterError(f"These settings are finite numbers above 0 (drain from 0 on); got {said}.")

    @property
    def key_file(self) -> Path | None:
        """Where the keys are."""
        return None if self.keys is None else Path(self.keys)


def read_settings(path: Path | None, given: Mapping[str, object]) -> Settings:
    """Read a YAML file of settings; what was given on the command line counts more.

    Raises
    ------
    ParameterError
        If the file cannot be read, or names a setting that there is not.
    """
    from_file: Mapping[str, object] = {} if path is None else _read(path)
    names = {field.name for field in fields(Settings)}
    for name in from_file:
        if name not in names:
            raise ParameterError(f"{path} sets {name!r}, which is no setting. {list_known(str(name), names)}")
    chosen = {name: value for name, value in given.items() if name in names and value is not None}
    return Settings(**{**from_file, **chosen})  # type: ignore[arg-type]


def _read(path: Path) -> Mapping[str, object]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"The settings file {path} cannot be read: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ParameterError(
            f"The settings file {path} holds `name: value` lines; got {type(content).__name__}."
        )
    return content


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

"""Channels that carry alerts: a file that remembers, Python's log, a webhook."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from ml_utils.errors import DataError
from ml_utils.files import to_json, write_text
from ml_utils.monitoring.alerts import Alert
from ml_utils.wording import times

logger = logging.getLogger(__name__)


class Channel(Protocol):
    """Carries alerts somewhere; returns how many were new to it."""

    def send(self, alerts: Sequence[Alert]) -> int:
        """Carry `alerts`."""
        ...


@dataclass(frozen=True)
class AlertFile:
    """A file of JSON lines, one an alert; the same alert is written once.

    Parameters
    ----------
    path : Path
    """

    path: Path

    def send(self, alerts: Sequence[Alert]) -> int:
        """Append the alerts that the file does not have, and return how many."""
        known = {str(item.get("key")) for item in self.read()}
        new = [alert for alert in _once(alerts) if alert.key not in known]
        if new:
            before = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
            lines = [json.dumps(_plain(alert), ensure_ascii=False) + "\n" for alert in new]
            write_text(self.path, before + "".join(lines))
        return len(new)

    def read(self) -> list[dict[str, object]]:
        """Return what the file holds.

        Raises
        ------
        DataError
            If a line is not JSON.
        """
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        try:
            return [json.loads(line) for line in lines if line.strip()]
        except json.JSONDecodeError as error:
            raise DataError(
                f"{self.path} holds a line that is not JSON ({error}). Mend or remove that line."
            ) from error


@dataclass(frozen=True)
class AlertLogger:
    """Writes alerts to Python's log."""

    def send(self, alerts: Sequence[Alert]) -> int:
        """Log every alert, graver ones at a higher level."""
        levels = {"critical": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}
        for alert in alerts:
            logger.log(levels[alert.severity], "%s since %s: %s", alert.problem, alert.period, alert.what)
        return len(alerts)


@dataclass(frozen=True)
class Webhook:
    """Posts alerts as JSON to a URL, for chat or on-call tools.

    Parameters
    ----------
    url : str
    timeout : float
        Seconds to wait for an answer.
    """

    url: str
    timeout: float = 5.0

    def send(self, alerts: Sequence[Alert]) -> int:
        """Post the alerts in one request; a failure is logged as an error and counts 0, it is not raised."""
        import httpx

        if not alerts:
            return 0
        body = {"alerts": [_plain(alert) for alert in alerts]}
        try:
            httpx.post(self.url, json=body, timeout=self.timeout).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            host = self.url.split("//")[-1].split("/")[0].split("@")[-1]  # a path may hold a secret
            kind = type(error).__name__
            logger.error("%s not delivered to %s: %s", times(len(alerts), "alert"), host, kind)
            return 0
        return len(alerts)


def deliver(alerts: Sequence[Alert], file: AlertFile, channels: Iterable[Channel] = ()) -> int:
    """Write new alerts to the file, then pass those, and only those, to the other channels.

    Parameters
    ----------
    alerts : sequence of Alert
    file : AlertFile
        Comes first: whatever happens to the other channels, no alert is lost.
    channels : iterable of Channel

    Returns
    -------
    int
        How many alerts were new.
    """
    known = {str(item.get("key")) for item in file.read()}
    new = [alert for alert in _once(alerts) if alert.key not in known]
    file.send(new)
    for channel in channels:
        channel.send(new)
    return len(new)


def _once(alerts: Sequence[Alert]) -> list[Alert]:
    return list({alert.key: alert for alert in reversed(alerts)}.values())[::-1]


def _plain(alert: Alert) -> dict[str, object]:
    return dict(json.loads(to_json({"key": alert.key, **asdict(alert)})))

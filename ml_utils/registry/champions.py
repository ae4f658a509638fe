"""Which version is champion: every change of it, and every retirement, is written down before it is made."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd

from ml_utils.errors import RegistryError
from ml_utils.registry import versions
from ml_utils.registry.promotions import Action, Promotion, PromotionLog
from ml_utils.registry.tracking import Tracking, finite
from ml_utils.registry.versions import CHALLENGER, CHAMPION

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

_HEAD = "promotion_log_head"


class Champions:
    """The champion of one model, and the log of how it came to be.

    Parameters
    ----------
    tracking : Tracking
        The store; its name is the model's.
    log : PromotionLog
    """

    def __init__(self, tracking: Tracking, log: PromotionLog) -> None:
        self.name = tracking.name
        self.tracking = tracking
        self.log = log

    def promote(
        self, version: int, *, reason: str, who: str = "notebook", metrics: Mapping[str, float] | None = None
    ) -> None:
        """Make a version the champion and log it; promoting the present champion changes nothing.

        Parameters
        ----------
        version : int
        reason, who : str
            For the log.
        metrics : mapping, optional
            What the decision rested on.

        Raises
        ------
        RegistryError
            If there is no such version, or it is retired.
        """
        versions.find(self.tracking, version)
        with self.tracking.guarded(), self.tracking.locked():
            before = self.alias(CHAMPION)
            if before == version:
                return
            if version in versions.retired(self.tracking):
                raise RegistryError(
                    f"{self.name} version {version} is retired and cannot become champion; see history() for "
                    "why. Register the model again if it is to come back."
                )
            self._change("promote", before, version, reason, who, metrics or {})

    def rollback(self, *, reason: str, who: str = "notebook") -> int:
        """Make the champion before this one champion again, retired ones left out, and log it.

        Returns
        -------
        int
            The version that is champion now.

        Raises
        ------
        RegistryError
            If there was no champion before.
        """
        with self.tracking.guarded(), self.tracking.locked():
            now = self.alias(CHAMPION)
            gone = versions.retired(self.tracking)
            past = [version for version in self.log.champions() if version != now and version not in gone]
            if now is None or not past:
                raise RegistryError(f"{self.name} has no champion to go back to; see history().")
            self._change("rollback", now, past[-1], reason, who, {})
            return past[-1]

    def retire(self, version: int, *, reason: str, who: str = "notebook") -> None:
        """Take a version out of use for good, and log it; its files stay, to be looked at.

        Parameters
        ----------
        version : int
        reason, who : str
            For the log.

        Raises
        ------
        RegistryError
            If there is no such version, or it is the champion.
        """
        versions.find(self.tracking, version)
        with self.tracking.guarded(), self.tracking.locked():
            named = versions.aliases(self.tracking)
            if named.get(CHAMPION) == version:
                raise RegistryError(
                    f"{self.name} version {version} is the champion; promote another or roll back before it "
                    "is retired."
                )
            if version in versions.retired(self.tracking):
                return
            head = self._log("retire", version, None, reason, who, {})
            self._client.set_model_version_tag(self.name, str(version), versions.RETIRED, reason[:5000])
            if named.get(CHALLENGER) == version:
                self._client.delete_registered_model_alias(self.name, CHALLENGER)
            self._client.set_registered_model_tag(self.name, _HEAD, head)

    def alias(self, name: str) -> int | None:
        """Return the version that an alias names, or None."""
        with self.tracking.guarded():
            return versions.aliases(self.tracking).get(name)

    def history(self) -> pd.DataFrame:
        """Return every change of the champion and every retirement, oldest first.

        Raises
        ------
        IntegrityError
            If the log was tampered with.
        """
        return self.log.to_frame()

    def verify_history(self) -> int:
        """Check that the promotion log is whole and unchanged; return how many entries it has.

        Raises
        ------
        IntegrityError
            If it is not.
        """
        with self.tracking.guarded():
            model = versions.registered(self.tracking)
        return self.log.verify(model.tags.get(_HEAD) if model is not None else None)

    def _change(
        self,
        action: Action,
        before: int | None,
        after: int,
        reason: str,
        who: str,
        metrics: Mapping[str, float],
    ) -> None:
        head = self._log(action, before, after, reason, who, metrics)
        self._client.set_registered_model_alias(self.name, CHAMPION, str(after))
        self._client.set_registered_model_tag(self.name, _HEAD, head)

    def _log(
        self,
        action: Action,
        before: int | None,
        after: int | None,
        reason: str,
        who: str,
        metrics: Mapping[str, float],
    ) -> str:
        """Write the change down before it is made, so that none goes without its line."""
        when = datetime.now(UTC).isoformat(timespec="milliseconds")
        head = self.log.append(Promotion(when, who, action, before, after, reason, finite(metrics)))
        logger.info("%s: %s %s -> %s (%s)", self.name, action, before, after, reason)
        return head

    @property
    def _client(self) -> MlflowClient:
        return self.tracking.client

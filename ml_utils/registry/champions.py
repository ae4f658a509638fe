"""Which version is champion: every change of it, and every retirement, is written down before it is made."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd

from ml_utils.errors import RegistryError
from ml_utils.registry import shared_log, versions
from ml_utils.registry.promotions import Action, Promotion, PromotionLog
from ml_utils.registry.tracking import Tracking, finite
from ml_utils.registry.versions import CHALLENGER, CHAMPION

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)


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

        Where the log does not know the present champion, promoting it puts it on record (`unlogged`).

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
            if before == version and not self._unlogged():
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
            good = versions.in_use(self.tracking)
            past = [version for version in self._champions(now) if version != now and version in good]
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
            self._client.set_registered_model_tag(self.name, shared_log.HEAD, head)

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
        with self.tracking.guarded(), self.tracking.locked():
            self._confirmed()
            return self.log.to_frame()

    def unlogged(self) -> str:
        """Say in a sentence what the log does not account for; empty where the log tells all.

        That is a champion which was made by other hands, as in MLflow's pages, and entries whose change was
        not made, because the process was ended or the entries are made up.

        Raises
        ------
        IntegrityError
            If the log was tampered with.
        """
        with self.tracking.guarded(), self.tracking.locked():
            return self._unlogged()

    def verify_history(self) -> int:
        """Check that the promotion log is whole and unchanged; return how many entries it has.

        Raises
        ------
        IntegrityError
            If it is not.
        """
        with self.tracking.guarded(), self.tracking.locked():
            self._confirmed()
            return len(self.log.lines())

    def _confirmed(self) -> int:
        """Bring the log's lines here from the registry; return how many of them were confirmed there."""
        return shared_log.bring_here(self.log, versions.tags(self.tracking))

    def _unlogged(self) -> str:
        confirmed = self._confirmed()
        unmade = len(self.log.lines()) - confirmed
        champion, past = self.alias(CHAMPION), self.log.champions()
        logged = past[-1] if past else None
        is_now = "There is no champion" if champion is None else f"The champion is version {champion}"
        if unmade:
            last = "entry of the log was" if unmade == 1 else f"{unmade} entries of the log were"
            why = f". The last {last} never confirmed: a change was stopped midway, or others wrote in it"
        elif champion != logged:
            by_log = "the log names none" if logged is None else f"by the log it is version {logged}"
            why = f", {by_log}: the alias was moved by other hands"
        else:
            return ""
        return f"{is_now}{why}. Promote the version that should be champion, to put it on record."

    def _champions(self, now: int | None) -> list[int]:
        """Return the champions by the log; an entry whose change was never made is none of them."""
        confirmed = self._confirmed()
        entries = self.log.entries()
        made = len(entries) if entries and entries[-1].to_version == now else confirmed
        return self.log.champions(made)

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
        self._client.set_registered_model_tag(self.name, shared_log.HEAD, head)

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
        self._confirmed()  # no line upon a log from which others are gone
        when = datetime.now(UTC).isoformat(timespec="milliseconds")
        head = self.log.append(Promotion(when, who, action, before, after, reason, finite(metrics)))
        shared_log.keep(self.tracking, self.log, versions.tags(self.tracking))
        logger.info("%s: %s %s -> %s (%s)", self.name, action, before, after, reason)
        return head

    @property
    def _client(self) -> MlflowClient:
        return self.tracking.client

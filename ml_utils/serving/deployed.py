"""What serves at a moment: a champion, perhaps a challenger, and who answers whom. Replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ml_utils.errors import ServiceError
from ml_utils.serving.routing import Router, Variant
from ml_utils.serving.served import Served


@dataclass(frozen=True)
class Deployed:
    """Champion and challenger.

    Parameters
    ----------
    champion : Served
    challenger : Served or None
    router : Router
        Who answers whom.
    shadow : bool
        Whether the challenger also scores what the champion answers; that is logged and never answered.

    Raises
    ------
    ServiceError
        If the challenger takes columns that the champion does not: one route has one form of request.
    """

    champion: Served
    challenger: Served | None = None
    router: Router = field(default_factory=Router)
    shadow: bool = False

    def __post_init__(self) -> None:
        if self.challenger is None:
            if self.router.challenger > 0 or self.shadow:
                raise ServiceError(
                    "A share or shadow mode needs a challenger; name one, or give it no weight."
                )
            return
        taken = {column.name: column.kind for column in self.champion.scorer.columns}
        others = [c.name for c in self.challenger.scorer.columns if taken.get(c.name) != c.kind]
        if others:
            raise ServiceError(
                f"The challenger (version {self.challenger.version}) takes {', '.join(others)}, which the "
                "champion does not, or not as that kind; both answer the same requests. Serve it apart "
                "or promote it."
            )

    def choose(self, unit: str) -> Variant:
        """Return who answers a customer."""
        return self.router.choose(unit)

    def served(self, variant: Variant) -> Served:
        """Return a variant's model."""
        return self.champion if variant == "champion" or self.challenger is None else self.challenger

    def warm(self) -> Deployed:
        """Let both score once."""
        self.champion.warm()
        if self.challenger is not None:
            self.challenger.warm()
        return self

    def versions(self) -> Mapping[str, int | None]:
        """Return the variants' versions."""
        found = {"champion": self.champion.version}
        return found if self.challenger is None else {**found, "challenger": self.challenger.version}

    def names(self) -> Sequence[str]:
        """Return the columns of a request, in order."""
        return [column.name for column in self.champion.scorer.columns]

"""Where the service's models come from, and whether something newer is there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ml_utils.errors import RegistryError
from ml_utils.serving.deployed import Deployed
from ml_utils.serving.pointer import POINTER, locate, read_pointer
from ml_utils.serving.routing import Router
from ml_utils.serving.served import COMPILED, RELEASE, from_files, from_scorer, not_allowed, read_package

if TYPE_CHECKING:
    from ml_utils.registry.registry import Registry

logger = logging.getLogger(__name__)


class Source(Protocol):
    """A place that models come from."""

    def stamp(self) -> object:
        """Return something that differs once there is something newer; None if it cannot tell."""

    def load(self) -> Deployed:
        """Read and verify what is there now."""


@dataclass(frozen=True)
class PackageSource:
    """One packaged folder; unless its hash is given, a new package in its place is served."""

    folder: Path
    sha256: str | None
    allow_pipeline: bool = False

    def stamp(self) -> object:
        """Tell by release.json, which a package is written with."""
        return None if self.sha256 else _file_stamp(self.folder / RELEASE)

    def load(self) -> Deployed:
        """Read the package."""
        return Deployed(read_package(self.folder, self.sha256, self.allow_pipeline))


@dataclass(frozen=True)
class PointerSource:
    """A deployment folder: its pointer names champion, challenger and their weights."""

    root: Path
    allow_pipeline: bool = False

    def stamp(self) -> object:
        """Tell by the pointer."""
        return _file_stamp(self.root / POINTER)

    def load(self) -> Deployed:
        """Read the packages that the pointer names."""
        pointer = read_pointer(self.root)
        champion, challenger = (
            None if ref is None else read_package(locate(self.root, ref), ref.sha256, self.allow_pipeline)
            for ref in (pointer.champion, pointer.challenger)
        )
        assert champion is not None
        weights = pointer.weights
        router = Router.from_weights(weights.champion, weights.challenger, pointer.salt)
        return Deployed(champion, challenger, router, pointer.shadow)


@dataclass(frozen=True)
class RegistrySource:
    """The registry's champion alias, in a full install."""

    problem: str
    profile: str
    allow_pipeline: bool = False

    def stamp(self) -> object:
        """Tell by the version that the alias names."""
        try:
            return self._registry().alias("champion")
        except RegistryError as error:
            logger.warning("The registry cannot be asked: %s", error)
            return None

    def load(self) -> Deployed:
        """Read the champion; only one that is not compiled is unpickled."""
        files, sha256, version = self._registry().files("champion")
        if COMPILED in files:
            return Deployed(from_files(files, sha256, version))
        if not self.allow_pipeline:
            raise not_allowed(f"The registry's version {version}", files)
        from ml_utils.registry.package import unpack
        from ml_utils.serving.scoring import Scorer

        found = unpack(files, sha256, f"the registry's version {version}")
        return Deployed(from_scorer(Scorer(found.model, found.schema, found.manifest, sha256, version)))

    def _registry(self) -> Registry:
        from ml_utils.paths import Workspace, project_root
        from ml_utils.problem import load_problem
        from ml_utils.registry.registry import Registry

        name = load_problem(self.problem).name
        return Registry(Workspace(name, self.profile, project_root()))


def _file_stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

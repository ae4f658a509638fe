"""The pointer: a small file that names which packages a running service serves, and to whom.

```
deploy/
    packages/3-9f2c41d0aa57/
    packages/4-…/
    current.json    {"champion": {"package": "packages/3-9f2c41d0aa57", "sha256": "9f2c…"},
                     "challenger": {"package": "packages/4-…", "sha256": "…"},
                     "weights": {"champion": 9, "challenger": 1}, "salt": "spring", "shadow": false}
```

Packages are never changed once they are there; what moves is the pointer, in one rename. The service looks
each second (and on SIGHUP), loads aside what it names, compares every hash, and only then lets it serve.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_utils.errors import IntegrityError, MissingInputError, ServiceError
from ml_utils.serving.served import MANIFEST, RELEASE

POINTER, PACKAGES = "current.json", "packages"
_STRICT = ConfigDict(extra="forbid", frozen=True)
_Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Ref(BaseModel):
    """A package and the hash that its manifest must have."""

    model_config = _STRICT

    package: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Weights(BaseModel):
    """How customers are dealt to the variants; only their ratio counts."""

    model_config = _STRICT

    champion: _Weight = 1.0
    challenger: _Weight = 0.0


class Pointer(BaseModel):
    """What a service serves."""

    model_config = _STRICT

    champion: Ref
    challenger: Ref | None = None
    weights: Weights = Weights()
    salt: str = ""
    shadow: bool = False


def read_pointer(root: Path) -> Pointer:
    """Read the pointer of a deployment folder.

    Raises
    ------
    MissingInputError
        If there is none.
    ServiceError
        If it is malformed; the message names the field.
    """
    path = root / POINTER
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise MissingInputError(
            f"{path} is missing: nothing says which package to serve. Write it with "
            "`ml_utils.serving.pointer.write_pointer`, or serve one package with --package."
        ) from None
    try:
        return Pointer.model_validate_json(content)
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'the file'}: {item['msg']}" for item in error.errors()
        )
        raise ServiceError(f"{path} is malformed ({said}). It looks like {_example()}.") from None


def write_pointer(root: Path, pointer: Pointer) -> Path:
    """Let a service serve other packages: the pointer is replaced in one step.

    Returns
    -------
    Path
        The pointer file.
    """
    from ml_utils.files import write_text

    for ref in filter(None, (pointer.champion, pointer.challenger)):
        locate(root, ref)
    return write_text(root / POINTER, pointer.model_dump_json(indent=2) + "\n")


def install(root: Path, package: Path) -> Ref:
    """Copy a packaged model into a deployment folder, whole or not at all.

    Parameters
    ----------
    root : Path
        The deployment folder.
    package : Path
        A folder that `ModelDeployment.package` wrote.

    Returns
    -------
    Ref
        For `Pointer`; its hash is that of the manifest as it is now.

    Raises
    ------
    MissingInputError
        If there is no package.
    """
    import hashlib

    if not (package / RELEASE).is_file():
        raise MissingInputError(f"{package} holds no packaged model; call ModelDeployment.package() first.")
    release = json.loads((package / RELEASE).read_text(encoding="utf-8"))
    digest = hashlib.sha256((package / MANIFEST).read_bytes()).hexdigest()
    name = f"{release['version']}-{digest[:12]}"
    target = root / PACKAGES / name
    if not target.is_dir():
        aside = root / PACKAGES / f".{name}.{os.getpid()}"
        shutil.copytree(package, aside)
        os.replace(aside, target)
    return Ref(package=f"{PACKAGES}/{name}", sha256=digest)


def locate(root: Path, ref: Ref) -> Path:
    """Return a package's folder.

    Raises
    ------
    IntegrityError
        If it lies outside the deployment folder.
    MissingInputError
        If it is not there.
    """
    home = root.resolve()
    folder = (home / ref.package).resolve()
    if not folder.is_relative_to(home):
        raise IntegrityError(f"{POINTER} names {ref.package!r}, which is outside {home}. Packages lie in it.")
    if not folder.is_dir():
        raise MissingInputError(f"{POINTER} names {ref.package!r}, which is not in {home}.")
    return folder


def _example() -> str:
    ref = Ref(package=f"{PACKAGES}/3-0123456789ab", sha256="0" * 64)
    return Pointer(champion=ref).model_dump_json()

"""Files for production, filled in from a packaged model: image, compose file, Kubernetes objects.

`python -m ml_utils.serving.manifests FOLDER` writes an example of them without a model.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from ml_utils.files import write_text
from ml_utils.registry.package import MANIFEST
from ml_utils.serving.scoring import RELEASE
from ml_utils.wording import times

TEMPLATES = Path(__file__).resolve().parents[1] / "templates" / "deploy"
# what ml_utils.serving.service imports for a compiled model
_SERVING = (
    *("fastapi", "httptools", "msgspec", "numpy", "onnxruntime", "prometheus-client", "psycopg[binary]"),
    *("pydantic", "uvicorn", "uvloop"),
)
_PIPELINE = ("pandas", "pyyaml")  # and for one that is served as a pipeline
_BOOSTERS = ("catboost", "lightgbm", "xgboost", "xgboost-cpu")
# what stands in for a package where there is none, the same whatever was trained
_RELEASE = {"model": "churn", "version": 1, "manifest_sha256": "0" * 64}
_MANIFEST = {"python": "3.11", "packages": {"lightgbm": "", "xgboost-cpu": ""}, "compiled": True}


def write_manifests(folder: Path, package: Path) -> dict[str, Path]:
    """Write a build context and the files that run it.

    Parameters
    ----------
    folder : Path
        Receives Dockerfile, requirements, compose.yaml and what it mounts, k8s/ and app/ (code and model).
    package : Path
        A packaged model.

    Returns
    -------
    dict of str to Path
        Name within the folder to file, without app/.
    """
    release = json.loads((package / RELEASE).read_text(encoding="utf-8"))
    manifest = json.loads((package / MANIFEST).read_text(encoding="utf-8"))
    written = _fill(folder, _values(release, manifest))
    _copy_app(folder, package)
    return written


def write_example(folder: Path) -> dict[str, Path]:
    """Write the files for a compiled churn model that there is not: no app/, and a hash of zeros.

    Parameters
    ----------
    folder : Path
        Receives what `write_manifests` writes, without code and model.

    Returns
    -------
    dict of str to Path
        Name within the folder to file.
    """
    return _fill(folder, _values(_RELEASE, _MANIFEST))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write an example of the files for production; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ml_utils.serving.manifests", description=__doc__)
    parser.add_argument("folder", type=Path, help="receives the files; those of the same name are replaced")
    folder = parser.parse_args(arguments).folder
    try:
        written = write_example(folder)
    except OSError as error:
        sys.stderr.write(f"{folder} cannot be written: {error.strerror}. Name a folder that can.\n")
        return 1
    sys.stdout.write(f"{times(len(written), 'file')} in {folder}\n")
    return 0


def _fill(folder: Path, values: Mapping[str, str]) -> dict[str, Path]:
    written = {}
    for template in sorted(TEMPLATES.rglob("*.tmpl")):
        name = template.relative_to(TEMPLATES).as_posix().removesuffix(".tmpl")
        text = Template(template.read_text(encoding="utf-8")).substitute(values)
        written[name] = write_text(folder / name, text)
    return written


def _values(release: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, str]:
    fitted: Mapping[str, str] = manifest["packages"]
    compiled = bool(manifest.get("compiled"))
    boosters = [name for name in fitted if name in _BOOSTERS]
    needed = [*_SERVING] if compiled else [*_SERVING, *_PIPELINE, *fitted]
    return {
        "model": str(release["model"]),
        "name": _dns(f"octavo-{release['model']}"),
        "version": str(release["version"]),
        "sha256": str(release["manifest_sha256"]),
        "python": ".".join(str(manifest["python"]).split(".")[:2]),
        "requirements": "\n".join(_pins(needed)),
        "explaining": "\n".join(sorted(set(_pins(boosters)) - set(_pins(needed)))),
        "libraries": _libraries("lightgbm" in fitted, always=not compiled),
        "options": "" if compiled else '"--allow-pipeline", ',
        "mlflow": importlib.metadata.version("mlflow"),
        "psycopg": importlib.metadata.version("psycopg"),
        "boto3": importlib.metadata.version("botocore"),
    }


def _pins(names: Iterable[str]) -> list[str]:
    """Return the installed versions of distributions and of all that they need, as lines of a pip file."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    waiting = [Requirement(name) for name in names]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        for extra in ("", *sorted(wanted.extras)):
            if (key := (canonicalize_name(wanted.name), extra)) in seen:
                continue
            seen.add(key)
            found[key[0]] = importlib.metadata.version(key[0])
            needs = [Requirement(text) for text in importlib.metadata.requires(key[0]) or ()]
            waiting += [
                need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})
            ]
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def _dns(name: str) -> str:
    """Turn a name into one that Kubernetes and image registries take."""
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:52]


def _libraries(openmp: bool, always: bool) -> str:
    """Return the line that installs OpenMP, which LightGBM's wheel leaves to the system."""
    if not openmp:
        return "# no system libraries are needed"
    install = (
        "apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*"
    )
    run = install if always else f'if [ "$EXPLAIN" = 1 ]; then {install}; fi'
    return f"# hadolint ignore=DL3008\nRUN {run}"


def _copy_app(folder: Path, package: Path) -> None:
    """Put the code and the model beside the Dockerfile, so that the folder is all a build needs."""
    aside = Path(tempfile.mkdtemp(prefix=".app-", dir=folder))
    try:
        source = Path(__file__).resolve().parents[1]
        left_out = shutil.ignore_patterns("__pycache__", "templates", "plots")
        shutil.copytree(source, aside / "ml_utils", ignore=left_out)
        shutil.copytree(package, aside / "package")
        aside.chmod(0o755)
        shutil.rmtree(folder / "app", ignore_errors=True)
        os.replace(aside, folder / "app")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

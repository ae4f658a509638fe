"""Files for production, filled in from a packaged model: image, compose file, Kubernetes objects."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from string import Template

from ml_utils.files import write_text
from ml_utils.registry.package import MANIFEST
from ml_utils.serving.scoring import RELEASE

TEMPLATES = Path(__file__).resolve().parents[1] / "templates" / "deploy"
_SERVING = ("fastapi", "uvicorn", "uvloop", "httptools", "prometheus-client", "pydantic", "pyyaml")


def write_manifests(folder: Path, package: Path) -> dict[str, Path]:
    """Write a build context and the files that run it.

    Parameters
    ----------
    folder : Path
        Receives Dockerfile, requirements.txt, compose.yaml, k8s/ and app/ (the code and the model).
    package : Path
        A packaged model.

    Returns
    -------
    dict of str to Path
        Name within the folder to file, without app/.
    """
    values = _values(package)
    written = {}
    for template in sorted(TEMPLATES.rglob("*.tmpl")):
        name = template.relative_to(TEMPLATES).as_posix().removesuffix(".tmpl")
        text = Template(template.read_text(encoding="utf-8")).substitute(values)
        written[name] = write_text(folder / name, text)
    _copy_app(folder, package)
    return written


def _values(package: Path) -> dict[str, str]:
    release = json.loads((package / RELEASE).read_text(encoding="utf-8"))
    manifest = json.loads((package / MANIFEST).read_text(encoding="utf-8"))
    packages: dict[str, str] = manifest["packages"]
    serving = {name: importlib.metadata.version(name) for name in _SERVING}
    pins = sorted(f"{name}=={version}" for name, version in {**serving, **packages}.items())
    libraries = "libgomp1" if "lightgbm" in packages else ""  # its wheel leaves OpenMP to the system
    return {
        "model": str(release["model"]),
        "name": _dns("octavo-" + release["model"]),
        "version": str(release["version"]),
        "sha256": release["manifest_sha256"],
        "python": ".".join(manifest["python"].split(".")[:2]),
        "requirements": "\n".join(pins),
        "libraries": _install(libraries),
    }


def _dns(name: str) -> str:
    """Turn a name into one that Kubernetes and image registries take."""
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:52]


def _install(libraries: str) -> str:
    if not libraries:
        return "# no system libraries are needed"
    return (
        "# hadolint ignore=DL3008\n"
        f"RUN apt-get update && apt-get install -y --no-install-recommends {libraries} \\\n"
        "    && rm -rf /var/lib/apt/lists/*"
    )


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

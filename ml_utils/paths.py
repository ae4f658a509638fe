"""Where things are: the project's root and the folders of one run.

Nothing here makes a folder; whoever writes a file does (`files.write_text` and its kin).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

NOTEBOOKS = (
    "01-feature-engineering",
    "02-model-training",
    "03-model-evaluation",
    "04-model-deployment",
    "05-model-monitoring",
    "06-ab-testing",
    "07-automated-retraining",
    "08-production-ml-pipeline",
)


def project_root() -> Path:
    """Return the folder that holds params.yaml, notebooks/ and data/.

    The environment variable OCTAVO_HOME overrides it; else it is the folder above this package.
    """
    home = os.environ.get("OCTAVO_HOME")
    return Path(home).resolve() if home else Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Workspace:
    """The folders that belong to one problem under one profile.

    A profile keeps sets of outputs apart: `full` is what `make report` writes, `quick` what the notebooks
    write when they are run on their own defaults.

    Parameters
    ----------
    problem : str
        Name of the problem, which is the stem of its file.
    profile : str
        Name of the set of outputs.
    root : Path
        The project's root.

    Examples
    --------
    >>> Workspace("telco", "full", Path("/p")).results.as_posix()
    '/p/data/results/telco'
    >>> Workspace("telco", "quick", Path("/p")).name
    'telco-quick'
    """

    problem: str
    profile: str
    root: Path

    @property
    def name(self) -> str:
        """Folder name, model name and MLflow experiment of this run."""
        return self.problem if self.profile == "full" else f"{self.problem}-{self.profile}"

    @property
    def raw(self) -> Path:
        """Immutable snapshots, named by their hash."""
        return self.root / "data" / "raw" / self.name

    @property
    def processed(self) -> Path:
        """Splits, schema, truth, feature dictionary, packaged models."""
        return self.root / "data" / "processed" / self.name

    @property
    def results(self) -> Path:
        """What each notebook found, as JSON."""
        return self.root / "data" / "results" / self.name

    @property
    def reports(self) -> Path:
        """The HTML pages, the index, and executed copies of the notebooks."""
        return self.root / "reports" / self.name


def mlflow_folder() -> Path:
    """Return the folder of the embedded MLflow store (database and artifacts)."""
    return project_root() / "data" / "mlflow"

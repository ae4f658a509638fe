"""A problem file says WHAT the table is: source, task, target, roles of columns, what a decision is worth."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, model_validator

from ml_utils.credentials import expand, mask
from ml_utils.errors import ProblemError, list_known
from ml_utils.paths import project_root
from ml_utils.problem_messages import explain
from ml_utils.problem_sources import (
    STRICT,
    Events,
    FileSource,
    OtherSource,
    Reference,
    RetailerSource,
    RetailerTable,
    Source,
    SqlSource,
    check_event_names,
)

__all__ = [
    "Columns",
    "Decision",
    "Events",
    "FileSource",
    "LabelHorizon",
    "OtherSource",
    "Place",
    "Problem",
    "Reference",
    "RetailerSource",
    "RetailerTable",
    "Source",
    "Splits",
    "SqlSource",
    "load_problem",
    "locate",
]


class _Strict(BaseModel):
    model_config = STRICT


def _on_earth(point: tuple[float, float]) -> tuple[float, float]:
    if not (abs(point[0]) <= 90 and abs(point[1]) <= 180):
        raise ValueError("a point is [latitude, longitude] in degrees, within -90 … 90 and -180 … 180")
    return point


# YAML has lists, not tuples.
Point = Annotated[
    tuple[float, float],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
    AfterValidator(_on_earth),
]


class Place(_Strict):
    """Two columns that are a place on earth, in degrees; distances are taken to each of `points`."""

    latitude: str
    longitude: str
    points: dict[str, Point] = {}  # name: [latitude, longitude]


class Columns(_Strict):
    """Roles of columns; what is not named is told from its values."""

    numeric: list[str] = []
    categorical: list[str] = []
    text: list[str] = []  # sentences, to be read word by word
    ignore: list[str] = []  # never a feature: identifiers, known leaks, free text


class Splits(_Strict):
    """Shares of rows, in order of time where the problem has a time column."""

    train: float = Field(0.5, gt=0, lt=1)
    valid: float = Field(0.1, gt=0, lt=1)
    test: float = Field(0.15, gt=0, lt=1)
    production: float = Field(0.25, gt=0, lt=1)

    @model_validator(mode="after")
    def _sum_to_one(self) -> Splits:
        total = self.train + self.valid + self.test + self.production
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the four shares add up to {total:g}; they must add up to 1")
        return self


class LabelHorizon(_Strict):
    """How long after a row's time its target is known."""

    days: int = Field(0, ge=0)
    months: int = Field(0, ge=0)


class Decision(_Strict):
    """What acting on a prediction is worth, per row.

    `benefit` is the net gain, on average, of acting on a true positive, `cost` the loss of acting on a false
    one; not acting is worth 0. Acting pays where the probability exceeds cost / (benefit + cost).
    `success_rate` is the share of true positives that acting is believed to turn, and that `benefit` counts
    on already; an experiment puts it to the test.
    """

    action: str = "act on the row"
    benefit: float = Field(gt=0)
    cost: float = Field(gt=0)
    success_rate: float = Field(1.0, gt=0, le=1)
    currency: str = ""

    @property
    def threshold(self) -> float:
        """Probability above which acting pays (Elkan 2001, eq. 2)."""
        return self.cost / (self.benefit + self.cost)

    @property
    def value_of_change(self) -> float:
        """What one outcome that acting turned is worth, its cost not taken off."""
        return (self.benefit + self.cost) / self.success_rate


class Problem(_Strict):
    """One validated problem file."""

    name: str
    folder: Path
    title: str
    task: Literal["binary", "regression"]
    source: Source
    target: str
    positive: str | int | float | bool | None = None
    id: str | None = None
    time: str | None = None
    group: str | None = None  # rows of one group never stand on both sides of a fold; the id where it repeats
    label_horizon: LabelHorizon = LabelHorizon(days=0, months=0)
    entity: str = "rows"  # what a row is, in the plural, for sentences
    outcome: str = ""  # what the target says, for sentences: "leave within the next month"
    goal: Literal["lower", "higher"] | None = None  # what acting should make of the outcome
    columns: Columns = Columns()
    events: Annotated[dict[str, Events], AfterValidator(check_event_names)] = {}
    references: dict[str, Reference] = {}  # column: where its values must be found
    places: dict[str, Place] = {}
    features: dict[str, str] = {}  # new column: formula over columns, as `balance / products`
    sensitive: list[str] = []
    splits: Splits = Splits(train=0.5, valid=0.1, test=0.15, production=0.25)
    decision: Decision | None = None

    @model_validator(mode="after")
    def _agree(self) -> Problem:
        if self.task == "binary" and self.positive is None:
            raise ValueError(
                "task is binary but `positive` is missing; say which value of the target is the positive one"
            )
        if self.task == "regression" and self.positive is not None:
            raise ValueError("task is regression, which has no `positive` value; take that line out")
        if self.task == "regression" and self.decision is not None:
            raise ValueError("`decision` belongs to a binary problem; take it out or set task: binary")
        roles = {"target": self.target, "id": self.id, "time": self.time}
        features = {*self.columns.numeric, *self.columns.categorical, *self.columns.text}
        for role, column in roles.items():
            if column is not None and column in features:
                raise ValueError(f"column {column!r} is the {role} and is also listed as a feature")
        listed = [*self.columns.numeric, *self.columns.categorical, *self.columns.text]
        twice = sorted({column for column in listed if listed.count(column) > 1})
        if twice:
            raise ValueError(f"listed in two roles of numeric, categorical and text: {', '.join(twice)}")
        if self.events and not (self.time and (self.id or all(e.key for e in self.events.values()))):
            raise ValueError(
                "`events` are joined as of a row's time: the problem needs `time`, and `id` or keys"
            )
        return self

    @property
    def reserved(self) -> set[str]:
        """Columns that are never features."""
        named = {self.target, self.id, self.time, self.group}
        return {name for name in named if name} | set(self.columns.ignore)

    @property
    def direction(self) -> Literal["lower", "higher"]:
        """The wanted direction of the outcome: `goal`, else a rarer event, or more of a quantity."""
        return self.goal or ("lower" if self.task == "binary" else "higher")

    @property
    def greater_is_better(self) -> bool:
        """Whether a larger value of `metric` is better."""
        return self.task == "binary"

    @property
    def metric(self) -> str:
        """The metric that models are compared by."""
        return "roc_auc" if self.task == "binary" else "rmse"


def load_problem(problem: str | Path) -> Problem:
    """Read and validate a problem file.

    Parameters
    ----------
    problem : str or Path
        A name under data/problems (`churn`), or the path of a YAML file (`../mine/telco.yaml`).

    Returns
    -------
    Problem

    Raises
    ------
    ProblemError
        If there is no such file, it is not YAML, has an unknown key, a missing key or a value of the wrong
        type, or contradicts itself. The message names the file and the key.

    Examples
    --------
    >>> load_problem("churn").target
    'churned'
    >>> load_problem("chrun")
    Traceback (most recent call last):
    ml_utils.errors.ProblemError: There is no problem 'chrun'. Did you mean 'churn'? Known: ...
    """
    path = _find(str(problem))
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", path.stem):
        raise ProblemError(
            f"{path}: the file's name names folders and a model; use letters, digits, _ and - only."
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProblemError(f"{path} is not valid YAML: {mask(str(error))}") from None
    if not isinstance(content, dict):
        raise ProblemError(f"{path} must be a mapping of keys to values; got {type(content).__name__}.")
    reserved = {"name", "folder"} & set(content)
    if reserved:
        raise ProblemError(
            f"{path}: {', '.join(sorted(reserved))}: taken from the file's own name and place."
        )
    try:
        return Problem(**content, name=path.stem, folder=path.parent)
    except ValidationError as error:
        # What pydantic says repeats the values, among them a password that should not have been there.
        raise ProblemError(f"{path} is not a valid problem file.\n{explain(error, Problem)}") from None


def locate(path: str, problem: Problem) -> Path:
    """Find a file that a problem names: beside the problem file, else from the project's root.

    Raises
    ------
    ProblemError
        If the path uses an environment variable that is not set.
    """
    try:
        expanded = Path(expand(path)).expanduser()
    except ProblemError as error:
        raise ProblemError(f"{problem.name}.yaml: {error}") from error
    beside, rooted = problem.folder / expanded, project_root() / expanded
    return beside if beside.exists() or expanded.is_absolute() else rooted


def _find(problem: str) -> Path:
    if problem.endswith((".yaml", ".yml")):
        path = Path(problem) if Path(problem).exists() else project_root() / problem
        if not path.is_file():
            raise ProblemError(
                f"There is no problem file {problem}. Give the path of a YAML file that exists."
            )
        return path.resolve()
    folder = project_root() / "data" / "problems"
    path = folder / f"{problem}.yaml"
    if not path.is_file():
        known = [item.stem for item in folder.glob("*.yaml")]
        raise ProblemError(
            f"There is no problem {problem!r}. {list_known(problem, known)} "
            f"Write data/problems/{problem}.yaml, or give the path of a .yaml file."
        )
    return path

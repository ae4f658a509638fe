"""The rules that a table must keep: a YAML file that is inferred once and that a person may edit."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ml_utils.errors import RuleError, list_known
from ml_utils.files import sha256_bytes, write_if_changed
from ml_utils.paths import Workspace
from ml_utils.quality.values import Kind
from ml_utils.quality.yaml_lines import flow, line_of
from ml_utils.words import word

Severity = Literal["error", "warning"]
RELATIONS = ("at_most", "sum", "equal", "missing_together", "determines")

HEADER = """\
# What every later table of the problem '{problem}' is held to. Inferred from its {rows:,} training rows.
#
# Edit it freely: change a value, add a rule or take one out. An edited file is never overwritten; one that
# nobody touched is written anew when the training rows change. Delete the file to begin again.
#
# table      key: columns that are unique together; time: its column, what a period is (day, week or month)
#            and `fewest`, the share of the usual rows that a period must have
# columns    type: number, whole number, category, text or date
#            range: from, to; learnt from the bulk of the values, with a margin of ten mean excesses of the
#            tail (no margin at a bound that many rows share); between: the same for dates; null is open
#            values: the known categories (yes and no in quotes), and `unseen`, the share of others let pass
#            pattern: a regular expression for the whole text; missing: the share that may be empty
# relations  at_most: [a, b] says a <= b; sum: [a, b, c] says a = b + c; equal; missing_together;
#            determines: [a, b] says that rows with the same a have the same b
#            allow: the share of rows that may break it; tolerance: how far numbers may differ
# severity   error or warning, for a column or a relation. Else: type and range are errors, the rest warnings.
"""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class About(_Strict):
    """Where a rule file came from."""

    problem: str = ""
    rows: int = 0
    inferred: str = ""  # hash of the rules as they were inferred


class TimeRule(_Strict):
    """The rhythm of a table's time column."""

    column: str
    every: Literal["day", "week", "month"]
    fewest: float = Field(default=0.5, ge=0, le=1)


class TableRule(_Strict):
    """What holds for rows as a whole."""

    key: list[str] = []
    time: TimeRule | None = None


class ColumnRule(_Strict):
    """What holds for one column's values."""

    type: Kind
    range: tuple[float | None, float | None] | None = None
    between: tuple[dt.date | None, dt.date | None] | None = None
    values: list[str] | None = None
    unseen: float = Field(default=0.01, ge=0, le=1)
    pattern: str | None = None
    missing: float = Field(default=1.0, ge=0, le=1)
    severity: Severity | None = None

    @field_validator("values", mode="before")
    @classmethod
    def _as_words(cls, values: Any) -> Any:
        return [word(value) for value in values] if isinstance(values, list) else values

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from error
        return pattern

    @model_validator(mode="after")
    def _fits(self) -> ColumnRule:
        allowed = {"number": ("range",), "whole number": ("range",), "date": ("between",)}
        textual = ("values", "pattern")
        for key in ("range", "between", *textual):
            if getattr(self, key) is not None and key not in allowed.get(self.type, textual):
                raise ValueError(f"`{key}` does not go with type {self.type}")
        for low, high in (pair for pair in (self.range, self.between) if pair):
            if low is not None and high is not None and low > high:  # type: ignore[operator]
                raise ValueError(f"the range from {low} to {high} is empty; the smaller value comes first")
        return self


class Relation(_Strict):
    """What holds between columns of one row, or (`determines`) of rows with the same value."""

    at_most: list[str] | None = None
    sum: list[str] | None = None
    equal: list[str] | None = None
    missing_together: list[str] | None = None
    determines: list[str] | None = None
    tolerance: float = Field(default=0.0, ge=0)
    allow: float = Field(default=0.0, ge=0, le=1)
    severity: Severity = "warning"

    @model_validator(mode="after")
    def _one(self) -> Relation:
        given = [kind for kind in RELATIONS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"a relation is exactly one of {', '.join(RELATIONS)}; got {given or 'none'}")
        wanted = 3 if self.kind == "sum" else 2
        if len(self.columns) != wanted:
            raise ValueError(f"{self.kind} takes {wanted} columns; got {len(self.columns)}")
        return self

    @property
    def kind(self) -> str:
        """Which of the relations it is."""
        return next(kind for kind in RELATIONS if getattr(self, kind) is not None)

    @property
    def columns(self) -> list[str]:
        """The columns, in the order in which the relation names them."""
        return list(getattr(self, self.kind))

    @property
    def words(self) -> str:
        """The relation as a person would say it."""
        first, second, *rest = self.columns
        return {
            "at_most": f"{first} ≤ {second}",
            "sum": f"{first} = {second} + {''.join(rest)}",
            "equal": f"{first} = {second}",
            "missing_together": f"{first} and {second} are missing together",
            "determines": f"{first} determines {second}",
        }[self.kind]


class Rules(_Strict):
    """All rules of a table.

    Made by `infer_rules`, or read from a file with `Rules.read`.
    """

    about: About = About()
    table: TableRule = TableRule()
    columns: dict[str, ColumnRule]
    relations: list[Relation] = []

    @model_validator(mode="after")
    def _columns_known(self) -> Rules:
        named = {"table.key": self.table.key}
        if self.table.time:
            named["table.time.column"] = [self.table.time.column]
        named |= {f"relations.{i}": relation.columns for i, relation in enumerate(self.relations)}
        for place, columns in named.items():
            for column in columns:
                if column not in self.columns:
                    known = list_known(column, self.columns)
                    raise ValueError(f"{place} names {column!r}, which `columns` does not have. {known}")
        return self

    @property
    def hash(self) -> str:
        """What the rules say, hashed; comments, order of keys and `about` do not count."""
        said = self.model_dump(mode="json", exclude={"about"})
        return sha256_bytes(json.dumps(said, sort_keys=True).encode())[:16]

    @property
    def edited(self) -> bool:
        """Whether a person changed them since they were inferred."""
        return self.about.inferred != self.hash

    def to_yaml(self) -> str:
        """Return the file's text: a rule a line, with a comment on top that says what may be edited."""
        content = self.model_dump(mode="python", exclude_defaults=True)
        lines = [HEADER.format(problem=self.about.problem, rows=self.about.rows)]
        lines.append(f"about: {flow(content.get('about', {}))}\n")
        table = content.get("table", {})
        lines += ["table:", *(f"  {key}: {flow(value)}" for key, value in table.items()), ""] if table else []
        lines.append("columns:")
        lines += [f"  {flow(name)}: {flow(rule)}" for name, rule in content["columns"].items()]
        relations = content.get("relations", [])
        lines += ["", "relations:", *(f"  - {flow(rule)}" for rule in relations)] if relations else []
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> Path:
        """Write the file, whole or not at all; one that says the same already is left alone."""
        write_if_changed(path, self.to_yaml())
        return path

    @classmethod
    def read(cls, path: Path) -> Rules:
        """Read and validate a rule file.

        Raises
        ------
        RuleError
            If it is missing, not YAML, or holds an unknown key or a wrong value; the message names line
            and key.
        """
        if not path.is_file():
            raise RuleError(f"There is no rule file {path}. Notebook 1 writes it.")
        text = path.read_text(encoding="utf-8", errors="replace")
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f", line {mark.line + 1}" if mark else ""
            what = getattr(error, "problem", None) or error
            raise RuleError(
                f"{path.name}{where}: not valid YAML: {what}. Mend it, or delete the file."
            ) from error
        if not isinstance(content, dict):
            raise RuleError(
                f"{path.name} must be a mapping with the key `columns`. Delete it to begin again."
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise RuleError(_explain(error, text, path)) from error


def rules_path(workspace: Workspace) -> Path:
    """Return where a workspace's rules are: data/rules/<workspace>.yaml."""
    return workspace.root / "data" / "rules" / f"{workspace.name}.yaml"


def rules_fingerprint(workspace: Workspace) -> str:
    """Tell whether a person changed the rules: "inferred" where not, else a hash.

    What is inferred follows from the table, so pages depend on the file only once it is edited. A file that
    cannot be read counts as edited; reading it is what fails.
    """
    path = rules_path(workspace)
    if not path.is_file():
        return "inferred"
    try:
        rules = Rules.read(path)
    except RuleError:
        return f"unreadable:{sha256_bytes(path.read_bytes())[:16]}"
    return f"edited:{rules.hash}" if rules.edited else "inferred"


def _explain(error: ValidationError, text: str, path: Path) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    lines = []
    for item in error.errors():
        loc = [part for part in item["loc"] if not str(part).startswith(("float", "list[", "tuple["))]
        key = ".".join(str(part) for part in loc) or "file"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = f"unknown key. {list_known(str(loc[-1]), _known(loc))}"
        elif item["type"] == "missing":
            message = "required, but not there."
        elif loc:
            message = f"{message}; got {item['input']!r:.80}"
        lines.append(f"  line {line_of(root, loc)}, {key}: {message}")
    return f"{path.name} is not a valid rule file. Mend it, or delete it to begin again.\n" + "\n".join(lines)


def _known(loc: list[Any]) -> list[str]:
    sections: dict[str, type[BaseModel]] = {"about": About, "columns": ColumnRule, "relations": Relation}
    model: type[BaseModel] = Rules
    if len(loc) > 1:
        model = sections.get(str(loc[0]), TimeRule if "time" in loc[:-1] else TableRule)
    return list(model.model_fields)

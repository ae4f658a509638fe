"""The parts of a problem file that say where tables are: sources, events, references."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ml_utils.credentials import REFUSED, is_url, literal_credential

_SCHEMES = ("s3", "http", "https")


# Unknown keys and values of another type are errors; nothing changes once it is read.
STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Strict(BaseModel):
    model_config = STRICT


def _no_credential(url: str) -> str:
    found = literal_credential(url)
    if found:
        raise ValueError(
            f"the address holds {found}; {REFUSED}: write ${{NAME}} in its place "
            "and set the variable NAME where this runs"
        )
    return url


def _known_scheme(path: str) -> str:
    scheme = path.split("://")[0].lower()
    if is_url(path) and scheme not in _SCHEMES:
        raise ValueError(
            f"{scheme}:// is not read; a path on this machine, s3://, http:// and https:// are. "
            "A database is {kind: sql, url: …, query: …}"
        )
    return path


def _is_database(url: str) -> str:
    if not is_url(url) and not url.startswith(("${", "sqlite:")):
        raise ValueError(
            "not the address of a database; write postgresql://user:${PASSWORD}@host/database, or "
            "sqlite:///file.db"
        )
    return url


class RetailerSource(_Strict):
    """The built-in synthetic retailer; `view` is churn, conversion or spend."""

    kind: Literal["retailer"]
    view: Literal["churn", "conversion", "spend"]


class FileSource(_Strict):
    """A CSV or Parquet file, or a folder of Parquet files: here, on S3 or on the web.

    Relative paths start beside the problem file, then at the project's root; `s3://bucket/key`, `http://…`
    and `https://…` are read through fsspec. `${NAME}` and `${NAME:-default}` in the path are taken from the
    environment, and so are the credentials and the endpoint of S3 (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, …).
    """

    kind: Literal["csv", "parquet"]
    path: Annotated[str, AfterValidator(_no_credential), AfterValidator(_known_scheme)]
    separator: str = Field(",", min_length=1)  # CSV only
    missing_values: list[str] = []  # extra marks of a missing value, besides empty, NA, NaN, null and blanks


class SqlSource(_Strict):
    """What a query returns from any database that SQLAlchemy speaks to.

    `${NAME}` in the URL is taken from the environment; a password that stands in the file is refused.
    `changed` is a quick query whose answer changes whenever the table does (`SELECT max(updated_at) FROM
    …`). With it `make report` sees new rows; without it only a change of the query itself, because a database
    cannot be asked cheaply whether the answer to any query would be another one.
    """

    kind: Literal["sql"]
    url: Annotated[str, AfterValidator(_no_credential), AfterValidator(_is_database)]
    query: str = Field(min_length=1)
    changed: str | None = None


class RetailerTable(_Strict):
    """One of the built-in retailer's tables, for events."""

    kind: Literal["retailer_table"]
    table: Literal["customers", "transactions", "usage", "support_contacts", "sessions"]


Source = Annotated[RetailerSource | FileSource | SqlSource, Field(discriminator="kind")]
OtherSource = Annotated[RetailerTable | FileSource | SqlSource, Field(discriminator="kind")]


class Events(_Strict):
    """A table of events that become features of a row, as they were known at the row's time.

    For each row the events with its `key` that happened in the `windows` (days) before the row's time are
    counted, and their values summed up. An event is known `known_after_days` days after its time, and counts
    for rows strictly later than that: one at the very time of the row does not.
    """

    source: OtherSource
    time: str
    key: str | None = None  # column that says whose event it is; the problem's id unless given
    numeric: list[str] = []  # columns to sum, average, ...
    categorical: list[str] = []  # columns to count distinct values of
    windows: list[int] = Field([7, 30, 90], min_length=1)
    known_after_days: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _agree(self) -> Events:
        wrong = [days for days in self.windows if days <= self.known_after_days]
        if wrong:
            raise ValueError(
                f"windows: {wrong[0]} days is not longer than known_after_days ({self.known_after_days:g}), "
                "so no event would ever be in it"
            )
        listed = [*self.numeric, *self.categorical]
        twice = sorted({column for column in listed if listed.count(column) > 1})
        if twice or len(set(self.windows)) < len(self.windows):
            raise ValueError(f"listed twice: {', '.join(twice) or self.windows}; name each once")
        if self.time in listed:
            raise ValueError(f"{self.time!r} is the time of an event and is also listed as a value")
        return self


def check_event_names(events: dict[str, Events]) -> dict[str, Events]:
    """Hold the names of event tables to what a column's name can begin with."""
    for name in events:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            raise ValueError(f"{name!r} begins the names of columns; use letters, digits and _ only")
    return events


class Reference(_Strict):
    """A table in which every value of a column must be found."""

    source: OtherSource
    column: str

"""What happens to predictions after they were stored: outcomes are added, old ones removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ml_utils.prediction_log.entries import Feedback

AT_ONCE = 1_000  # predictions removed in a transaction
_ADD = (
    "INSERT INTO prediction_outcomes (request_id, row_no, outcome, time) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (request_id, row_no) DO UPDATE SET outcome = excluded.outcome, time = excluded.time "
    "WHERE excluded.time >= prediction_outcomes.time"
)
_FIND = "SELECT request_id, row_no FROM predictions WHERE NOT shadow AND "
# an outcome stays as long as a shadow of the prediction does
_REMOVE_OUTCOME = (
    "DELETE FROM prediction_outcomes WHERE request_id = ? AND row_no = ? AND NOT EXISTS ("
    "SELECT 1 FROM predictions p WHERE p.request_id = prediction_outcomes.request_id "
    "AND p.row_no = prediction_outcomes.row_no)"
)

Dialect = Callable[[str], str]  # puts a database's own marks of a parameter in the place of ?


def add_outcome(connection: Any, sql: Dialect, item: Feedback) -> int:
    """Store an outcome of a prediction; return 1, or 0 where there is no such prediction."""
    found = _answered(connection, sql, item)
    if found is None:
        return 0
    connection.execute(sql(_ADD), (*found, float(item.outcome), float(item.time)))
    return 1


def remove_some(connection: Any, sql: Dialect, condition: str, values: Sequence[object]) -> int:
    """Remove some of the predictions that meet a condition; return how many."""
    query = f"SELECT seq, request_id, row_no FROM predictions WHERE {condition} LIMIT {AT_ONCE}"
    found = connection.execute(sql(query), values).fetchall()
    for seq, request_id, row in found:
        connection.execute(sql("DELETE FROM predictions WHERE seq = ?"), (seq,))
        connection.execute(sql(_REMOVE_OUTCOME), (request_id, row))
    return len(found)


def _answered(connection: Any, sql: Dialect, item: Feedback) -> tuple[str, int] | None:
    values: tuple[object, ...]
    if item.request_id is not None:
        query, values = f"{_FIND} request_id = ? AND row_no = ?", (item.request_id, item.row)
    else:
        query = f"{_FIND} customer = ? AND time <= ? ORDER BY time DESC, seq DESC LIMIT 1"
        values = (item.customer, float(item.time))
    found = connection.execute(sql(query), values).fetchone()
    return None if found is None else (str(found[0]), int(found[1]))

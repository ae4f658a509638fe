"""The log of promotions in the registry: its lines and its last hash, as tags of the registered model.

The file under data/mlflow/promotions is what is read; the registry keeps the same lines, so that machines
with one server have one log, and a file that was deleted or cut comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from ml_utils.errors import IntegrityError
from ml_utils.files import sha256_bytes
from ml_utils.registry.promotions import PromotionLog

if TYPE_CHECKING:
    from ml_utils.registry.tracking import Tracking

HEAD = "promotion_log_head"
_LINE = "promotion_log."  # promotion_log.000001.0: a piece of the first line
_FIRST = ".000"
_PIECE = 4000  # MLflow's databases hold 5,000 characters in a tag


def bring_here(log: PromotionLog, tags: Mapping[str, str]) -> int:
    """Add to a log what the registry has of it and the file has not.

    Parameters
    ----------
    log : PromotionLog
    tags : mapping
        Of the registered model.

    Returns
    -------
    int
        How many lines were confirmed: those up to the last whose change was made. Without a hash in the
        registry, all.

    Raises
    ------
    IntegrityError
        If file and registry disagree, or lines are gone.
    """
    kept, here = _stored(tags), log.lines()
    same = min(len(kept), len(here))
    for number, (one, other) in enumerate(zip(kept, here, strict=False), start=1):
        if one != other:
            raise IntegrityError(
                f"{log.path}, line {number}: differs from what the registry keeps. Delete the file if you "
                "trust the registry (it is written anew from there), or restore it from a backup."
            )
    if len(kept) > same:
        log.extend(kept[same:])
        here = kept
    head = tags.get(HEAD)
    if head is None:
        return len(here)
    hashes = [sha256_bytes(line) for line in here]
    if head not in hashes:
        raise IntegrityError(f"{log.path}: the last entries are gone. Restore the file from a backup.")
    return hashes.index(head) + 1


def keep(tracking: Tracking, log: PromotionLog, tags: Mapping[str, str]) -> None:
    """Give the registry the lines that it has not."""
    lines, known = log.lines(), len(_stored(tags))
    for number, line in enumerate(lines[known:], start=known + 1):
        text = line.decode()
        pieces = list(enumerate(range(0, len(text), _PIECE)))
        for piece, start in reversed(pieces):  # the first one last: a line without it was never whole
            key = f"{_LINE}{number:06d}.{piece:03d}"
            tracking.client.set_registered_model_tag(tracking.name, key, text[start : start + _PIECE])


def _stored(tags: Mapping[str, str]) -> list[bytes]:
    keys: Sequence[str] = sorted(key for key in tags if key.startswith(_LINE))
    lines = (list(pieces) for _, pieces in groupby(keys, key=lambda key: key.rpartition(".")[0]))
    whole = (pieces for pieces in lines if pieces[0].endswith(_FIRST))
    return ["".join(tags[key] for key in pieces).encode() for pieces in whole]

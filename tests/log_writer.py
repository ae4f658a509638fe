"""A process to be killed: it appends to a prediction log and tells each id that was acknowledged.

python tests/log_writer.py URL NAME
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time

from ml_utils.prediction_log import Entry, PredictionLog, open_log

CLIENTS = 30


async def main(url: str, name: str) -> None:
    """Append until killed; ids that were acknowledged go to standard output, a line each."""
    log = open_log(url)
    numbers = itertools.count()
    await asyncio.gather(*(_client(log, name, numbers) for _ in range(CLIENTS)))


async def _client(log: PredictionLog, name: str, numbers: itertools.count[int]) -> None:
    for number in numbers:
        request = f"{name}-{number}"
        await log.append([Entry(request, time.time(), None, 1, "champion", 0.5, True, b'{"a": 1}')])
        os.write(1, f"{request}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

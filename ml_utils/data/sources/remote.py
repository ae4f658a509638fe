"""Files on S3 and on the web, through fsspec: fetched to a temporary folder and read there like any other."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pandas as pd

from ml_utils.credentials import expand, mask, public_address, secrets_in
from ml_utils.data.sources.files import is_parquet_name, read_file
from ml_utils.errors import DataError
from ml_utils.problem import FileSource

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# A server that does not answer is given up on; a long download that moves is not.
CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0


def address(source: FileSource) -> str:
    """Return where a file is, with what the environment fills in."""
    return expand(source.path)


def read_remote(source: FileSource) -> tuple[pd.DataFrame, str]:
    """Fetch a file, or a folder of Parquet files on S3, and read it.

    Parameters
    ----------
    source : FileSource
        Its path begins with s3://, http:// or https://. Credentials and endpoint of S3 are the standard
        AWS_* variables; without any the bucket is tried as a public one.

    Returns
    -------
    frame : DataFrame
    origin : str
        The address, without credentials.

    Raises
    ------
    DataError
        If nothing answers, access is denied, there is no such bucket, key or page, or what came is not what
        the problem file says.
    """
    url = address(source)
    shown = public_address(url)
    with TemporaryDirectory(prefix="octavo-") as name:
        with said_plainly(url):
            path = fetch(url, source, Path(name))
        return read_file(path, source, shown), shown


def state(source: FileSource) -> str:
    """Ask in one request for what changes when the file does: its hash as the server has it, time, size.

    Raises
    ------
    DataError
        As for `read_remote`.
    """
    url = address(source)
    with said_plainly(url):
        files, path = _file_system(url)
        found = files.info(path)
        if found["type"] != "directory":
            return _told(found)
        return "; ".join(f"{name} {_told(info)}" for name, info in _folder(files, path).items())


@contextmanager
def said_plainly(url: str) -> Iterator[None]:
    """Turn what goes wrong on the way into a DataError in plain words, without credentials.

    The original error is not chained: its text may repeat the whole address.
    """
    import aiohttp
    from botocore.exceptions import BotoCoreError, ClientError

    wrong: tuple[type[Exception], ...] = (OSError, asyncio.TimeoutError, ValueError)
    try:
        yield
    except DataError:
        raise
    except (*wrong, aiohttp.ClientError, BotoCoreError, ClientError) as error:
        message = f"{public_address(url)} {_what_happened(error, url)}"
        raise DataError(mask(message, secrets_in(url))) from None


def fetch(url: str, source: FileSource, folder: Path) -> Path:
    files, path = _file_system(url)
    if url.startswith("s3://") and files.info(path)["type"] == "directory":
        if source.kind == "csv":
            raise DataError(f"{public_address(url)} is a folder; a CSV source takes one file.")
        folder = folder / "table"
        folder.mkdir()
        for name in _folder(files, path):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            files.get_file(f"{path.rstrip('/')}/{name}", str(folder / name))
        return folder
    local = folder / (PurePosixPath(unquote(urlsplit(url).path)).name or "table")
    files.get_file(path, str(local))
    return local


def _folder(files: AbstractFileSystem, path: str) -> dict[str, dict[str, Any]]:
    """List the Parquet files of a folder, by their names in it."""
    inside = files._strip_protocol(path).rstrip("/") + "/"
    found = {name.removeprefix(inside): info for name, info in files.find(path, detail=True).items()}
    return {name: info for name, info in sorted(found.items()) if is_parquet_name(name)}


def _file_system(url: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of an address, and the path in it."""
    if url.startswith("s3://"):
        return _s3(), url
    import aiohttp
    from fsspec.implementations.http import HTTPFileSystem

    parts = urlsplit(url)
    options: dict[str, Any] = {}
    if parts.username or parts.password:
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        login = b64encode(f"{user}:{password}".encode()).decode()
        options["headers"] = {"Authorization": f"Basic {login}"}
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    timeout = aiohttp.ClientTimeout(
        total=None, connect=2 * CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS
    )
    client = {"timeout": timeout, "trust_env": True}
    # What is percent-encoded already (a signature) must reach the server as it is.
    encoded = "%" in url
    files = HTTPFileSystem(client_kwargs=client, encoded=encoded, skip_instance_cache=True, **options)
    return files, url


def _s3() -> AbstractFileSystem:
    import s3fs
    from botocore.session import get_session

    config = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
        "retries": {"total_max_attempts": 1},
    }
    known = get_session().get_credentials() is not None
    files = s3fs.S3FileSystem(
        anon=not known, config_kwargs=config, use_listings_cache=False, skip_instance_cache=True
    )
    files.retries = 2  # of s3fs, above the one attempt of its client
    return files


def _told(info: dict[str, Any]) -> str:
    names = ("ETag", "Last-Modified", "LastModified", "size")
    return " ".join(str(info[name]) for name in names if info.get(name) is not None) or "says nothing"


def _what_happened(error: Exception, url: str) -> str:
    """Name the cause and the cure."""
    where = _place(url)
    code = _code(error)
    if code == "NoSuchBucket":
        return f"cannot be read: there is no bucket {urlsplit(url).netloc!r} at {where}. Check its name."
    if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"):
        return f"cannot be read: {where} refuses the credentials ({code}). Check AWS_ACCESS_KEY_ID and so on."
    if isinstance(error, FileNotFoundError) or code in (404, 410):
        return f"is not there: {where} knows no such file (404). Check the address."
    if isinstance(error, PermissionError) or code in (401, 403):
        how = (
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" if url.startswith("s3:") else "${NAME} in the address"
        )
        return (
            f"cannot be read: {where} denies access ({code or 403}). Credentials: {how}, of the environment."
        )
    if isinstance(code, int):
        return f"cannot be read: {where} answers with the error {code}. Try again later, or ask who runs it."
    name = type(error).__name__
    if isinstance(error, TimeoutError | asyncio.TimeoutError) or "Timeout" in name:
        return f"cannot be read: {where} did not answer within {READ_SECONDS:g} s. Is it the right address?"
    if "Connect" in name or "Connector" in name:
        return f"cannot be read: {where} cannot be reached. Check the address, the network, and that it runs."
    return f"cannot be read: {name}: {error}"


def _place(url: str) -> str:
    """Name the server that was asked."""
    parts = urlsplit(url)
    if parts.scheme != "s3":
        return parts.netloc.rpartition("@")[2]
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    return urlsplit(endpoint).netloc.rpartition("@")[2] or "Amazon S3"


def _code(error: BaseException) -> str | int | None:
    """Return the code that a server answered with: of S3 a word, of HTTP a number."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return status
    for one in (error, error.__cause__):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code")) or None
    return None

"""Credentials: filled in from the environment, refused in a file, kept out of text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_utils.credentials import expand, literal_credential, mask, public_address, secrets_in

ALLOWED = [
    "postgresql://reader:${P}@host/shop",
    "postgresql://${U}:${P}@host:5432/shop?sslmode=require",
    "postgresql://reader@host/shop",
    "${DATABASE_URL}",
    "sqlite:///shop.db",
    "https://host:8080/a@b.csv?year=2024",
    "https://host/t.csv?token=${T}",
    "https://${U}:${P}@host/t.csv",
    "s3://bucket/a:b@c.parquet",
    "mssql+pyodbc:///?odbc_connect=UID%3Da%3BPWD%3D${P}",
    "data/public/a.csv",
]


@pytest.mark.parametrize("url", ALLOWED)
def test_what_holds_no_credential_is_allowed(url: str) -> None:
    assert literal_credential(url) is None


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0*", exclude_categories=["Cs"]), min_size=3))
def test_any_password_reaches_the_database_and_no_message(password: str) -> None:
    from sqlalchemy.engine import make_url

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_PASSWORD", password)
        url = expand("postgresql://reader:${SHOP_PASSWORD}@host:5432/shop")
    address = make_url(url)
    assert (address.password, address.host, address.database) == (password, "host", "shop")
    shown = mask(f"no answer from {url}: {password!s}", secrets_in(url))
    said = "no answer from postgresql://"
    assert shown.startswith(said.replace(password, "***"))  # one like "pos" hides more than it must
    assert password not in shown.replace("***", "\0")


def test_what_stands_elsewhere_is_filled_in_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLDER", "a b/c@d")
    assert expand("${FOLDER}/t.csv") == "a b/c@d/t.csv"
    assert expand("https://host/${FOLDER}/t.csv") == "https://host/a b/c@d/t.csv"
    assert expand("https://host/t.csv?token=${FOLDER}") == "https://host/t.csv?token=a%20b%2Fc%40d"


def test_addresses_are_shown_without_what_is_private() -> None:
    assert public_address("s3://bucket/folder/t.parquet") == "s3://bucket/folder/t.parquet"
    assert public_address("https://u:p@host:81/t.csv?sig=1#x") == "https://host:81/t.csv"
    assert (
        mask("x: https://host/t?a=1&X-Amz-Signature=abc&b=2")
        == "x: https://host/t?a=1&X-Amz-Signature=***&b=2"
    )

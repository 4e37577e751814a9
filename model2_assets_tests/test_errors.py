import io
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from xgboost.core import XGBoostError

from model2_assets.config import parse_config
from model2_assets.errors import (
    ConfigError,
    StoreError,
    TrainingError,
    lack_of_memory,
    tells_secret,
    url_carries_secret,
    without_secrets,
)
from model2_assets.storage import Store, default_store
from model2_assets.storage.parquet import readable_parquet

CANARY = "c4narY-S3cret"
WITH_SECRET = (
    f"s3://AKIA123:{CANARY}@bucket/prices.parquet",
    f"sftp://me:{CANARY}@host:22/prices.csv",
    f"s3://key:a/{CANARY}@bucket/prices.parquet",
    f"simplecache::s3://key:{CANARY}@bucket/prices.parquet",
    f"https://{CANARY}@host/prices.csv",
    f"https://host/prices.csv?X-Amz-Credential=me&X-Amz-Signature={CANARY}",
    f"https://host/prices.csv?sv=2024&sig={CANARY}",
    f"abfs://c@account/prices.csv?account_key={CANARY}",
    f"https://host/prices.csv?token={CANARY}",
    f"https://host/prices.csv?apikey={CANARY}",
)
WITHOUT_SECRET = (
    "prices.parquet",
    "/data/a:b@c.csv",
    "s3://bucket/prices/*.csv",
    "sftp://me@host/prices.csv",
    "abfs://container@account.dfs.core.windows.net/prices.csv",
    "https://host:8443/prices.csv?version=3&monkey=2",
    "s3://bucket/year=2024/prices.csv",
)


@pytest.mark.parametrize("url", WITH_SECRET)
def test_url_with_a_secret_is_refused_wherever_it_is_configured(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL2_STORAGE", url)
    for data in ({"source": "csv", "path": url}, {"source": "demo", "universe": url}):
        with pytest.raises(ConfigError, match=r"\.(path|universe): the URL carries a pass") as one:
            parse_config({"regions": {"us": {"market_data": data}}})
        assert CANARY not in str(one.value)
        assert "FSSPEC_SFTP_PASSWORD" in str(one.value)
    for opened in (default_store, lambda: Store(url)):
        with pytest.raises(ConfigError, match=r"^MODEL2_STORAGE: the URL carries a pass") as two:
            opened()
        assert CANARY not in str(two.value)


@pytest.mark.parametrize("url", WITHOUT_SECRET)
def test_other_paths_are_left_alone(url: str) -> None:
    assert not url_carries_secret(url)
    assert without_secrets(f"{url}: no such file") == f"{url}: no such file"


@pytest.mark.parametrize("url", WITH_SECRET)
def test_secret_of_a_url_is_struck_out_of_any_text(url: str) -> None:
    shown = without_secrets(f"HTTPError: '{url}' answered 403, see https://host/help")
    assert CANARY not in shown
    assert shown.endswith("answered 403, see https://host/help")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SLACK_TOKEN", CANARY),
        ("SMTP_PASSWORD", CANARY),
        ("AWS_SECRET_ACCESS_KEY", CANARY),
        ("FSSPEC_S3_SECRET", CANARY),
        ("AZURE_STORAGE_ACCOUNT_KEY", CANARY),
        ("DAGSTER_POSTGRES_URL", f"postgresql+psycopg2://user:{CANARY}@host/dagster"),
    ],
)
def test_secret_of_the_environment_is_struck_out_wherever_it_stands(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert without_secrets(f"login failed with {CANARY}.") == "login failed with ***."
    assert str(StoreError(f"{CANARY} is wrong")) == "*** is wrong"


def test_secret_is_found_in_what_an_error_came_from() -> None:
    error = ValueError("prices cannot be read")
    error.__cause__ = OSError(f"cannot open {WITH_SECRET[0]}")
    assert tells_secret(error)
    assert not tells_secret(ValueError("prices cannot be read"))


@pytest.mark.parametrize("variable", ["PWD", "GOOGLE_APPLICATION_CREDENTIALS"])
def test_paths_that_exist_are_no_secrets(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path))
    assert without_secrets(f"{tmp_path}/data: not there") == f"{tmp_path}/data: not there"


def test_a_secret_too_long_for_a_file_is_struck_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIVATE_KEY", "k" * 5000)
    assert without_secrets("k" * 5000) == "***"


def caught(work: Callable[[], None]) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3 TiB"),
        pa.lib.ArrowMemoryError("malloc of size 64 failed"),
        XGBoostError("[10:00:00] bad_malloc: Failed to allocate 64 bytes."),
        XGBoostError("std::bad_alloc"),
    ],
)
def test_every_library_in_use_is_understood(error: Exception) -> None:
    assert lack_of_memory(error) == str(error)


def test_a_file_that_memory_did_not_suffice_to_read_is_not_called_damaged() -> None:
    def read() -> None:
        with readable_parquet("a.parquet"):
            raise pa.lib.ArrowMemoryError("malloc of size 64 failed")

    error = caught(read)
    assert not isinstance(error, StoreError)
    assert lack_of_memory(error) == "malloc of size 64 failed"


def test_an_error_that_was_made_of_it_does_not_hide_it() -> None:
    def fit() -> None:
        try:
            raise XGBoostError("std::bad_alloc")
        except XGBoostError as error:
            raise TrainingError(f"21d fold 3: {error}") from error

    assert lack_of_memory(caught(fit)) == "std::bad_alloc"


def test_an_error_on_the_way_out_of_another_does_not_hide_it() -> None:
    def start() -> None:
        try:
            raise MemoryError("no arena")
        except MemoryError:
            io.BytesIO().no_such  # noqa: B018

    assert lack_of_memory(caught(start)) == "no arena"


def test_other_errors_are_no_lack_of_memory() -> None:
    def leave_behind() -> None:
        try:
            raise MemoryError
        except MemoryError:
            raise ValueError("too small") from None

    assert lack_of_memory(caught(leave_behind)) is None
    assert lack_of_memory(XGBoostError("parameter max_depth must be an integer")) is None
    assert lack_of_memory(OSError(28, "No space left on device")) is None
    assert lack_of_memory(None) is None

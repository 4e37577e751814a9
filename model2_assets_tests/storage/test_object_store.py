"""Results in a bucket: every format, turns by conditional writes, and what the store refuses."""

import logging
import threading
from datetime import UTC, datetime

import pandas as pd
import pytest

from model2_assets.errors import StoreError
from model2_assets.storage import Address, Store, lease
from model2_assets.storage.address import open_base
from model2_assets.storage.lease import Holder, RegionObject
from model2_assets.storage.turns import _tell_of_no_working_folder
from model2_assets_tests.sample_models import fitted
from model2_assets_tests.sample_tables import cv_scores, features, mark, oof_predictions
from model2_assets_tests.storage.buckets import environment, new_bucket, proxy

OOF = Address("us", "oof_predictions", "21d", "ridge")
SCORES = Address("us", "cv_scores", "21d", "ridge")
MODELS = Address("us", "fitted_models", "21d", "ridge")
FEATURES = Address("us", "features")
SHEET = Address("us", "tear_sheet", "21d", "ridge")

VALUES = {
    OOF: lambda: mark(oof_predictions()),
    SCORES: cv_scores,
    MODELS: fitted,
    FEATURES: lambda: mark(features()),
    SHEET: lambda: "<p>a page</p>",
}
"""A result of every format."""

PAGES = ("<p>old</p>", "<p>new</p>", "<p>late</p>")


@pytest.fixture
def base(s3: str) -> str:
    return new_bucket()


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a holder's time be up after two seconds."""
    monkeypatch.setattr(lease, "LEASE_SECONDS", 2.0)


def objects(store: Store) -> set[str]:
    """Return the names of all objects of a base path."""
    found = store.base.fs.find(store.base.path)
    return {name.removeprefix(f"{store.base.path}/") for name in found}


@pytest.mark.parametrize("address", VALUES, ids=lambda address: address.asset)
def test_every_format_is_read_back_and_lies_where_others_look_for_it(base, address):
    store, value = Store(base), VALUES[address]()
    assert not store.exists(address)
    with store.hold("us"):
        path = store.write(address, value)
    read = Store(base).load(address)
    if address is MODELS:
        read.verify()
        assert read.manifest.data_version == store.current_version(address).data_version
    elif address is SHEET:
        assert read == value
    else:
        assert read.equals(value)
    assert str(path) == f"{base}/{address}"
    assert store.entry_file(address).read_bytes() == store.current_file(address).read_bytes()
    others = {name for name in objects(store) if not name.startswith((".versions/", "us/"))}
    assert others == {".commits/us.json"}


def test_versions_are_kept_pruned_and_restored(base):
    store = Store(base, keep_versions=2)
    with store.hold("us", partition="21d|ridge"):
        for page in PAGES:
            store.write(SHEET, page)
        latest, before = store.archive.versions(SHEET)
        store.restore(SHEET, before)
    assert store.load(SHEET) == PAGES[1]
    assert store.entry_file(SHEET).read_text() == PAGES[1]
    assert [version.sha256 for version in store.archive.versions(SHEET)] == [
        before.sha256,
        latest.sha256,
    ]


def test_a_table_in_parts_is_followed_and_one_file_comes_after_it(base):
    store, table = Store(base, dataset_above_mb=0), mark(features())
    with store.hold("us"):
        folder = store.write(FEATURES, table)
    assert Store(base).load(FEATURES).equals(table)
    assert pd.read_parquet(folder.path, filesystem=store.base.fs).equals(table)
    with store.hold("us"):
        Store(base).write(FEATURES, table)
    assert Store(base).load(FEATURES).equals(table)
    assert not any("/manifest.json" in name for name in objects(store))


def test_what_another_machine_has_done_is_seen_at_once(base):
    ours, folder = Store(base), open_base(base) / "us"
    assert not ours.exists(SHEET)
    assert not (folder / "x").exists()
    folder.fs.call_s3("put_object", Bucket=folder.path.split("/")[0], Key="results/us/x", Body=b"1")
    assert [path.name for path in folder.iterdir()] == ["x"]
    with Store(base).hold("us"):
        Store(base).write(SHEET, "one")
    assert ours.load(SHEET) == "one"


def test_a_result_is_written_in_one_request_a_file(s3, base):
    seen = []

    def look(method, path):
        seen.append((method, path.partition("?")[0].rpartition("/results/")[2]))

    with proxy(s3, look):
        store = Store(base)
        with store.hold("us"):
            seen.clear()
            store.write(FEATURES, mark(features()))
            written = [name for method, name in seen if method == "PUT"]
    assert len(written) == len(set(written)) == 4, written  # record, file, commit, copy


@pytest.mark.parametrize(
    ("held", "wanted", "must_wait"),
    [
        ("", "", True),
        ("", "21d|ridge", True),
        ("21d|ridge", "", True),
        ("21d|ridge", "21d|ridge", True),
        ("21d|ridge", "63d|ridge", False),
        ("", "read", True),
        ("read", "", True),
        ("read", "read", False),
        ("read", "21d|ridge", False),
    ],
)
def test_who_waits_for_whom(held, wanted, must_wait):
    holder = Holder(scope=held, who="somebody", renewed=datetime.now(UTC))
    assert holder.excludes(wanted) is must_wait


def other_writes(base, page, partition=None):
    """Write a page as another process does, in a thread."""

    def write():
        with Store(base).hold("us", partition=partition):
            Store(base).write(SHEET, page)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_who_waits_says_for_whom_and_goes_on_when_the_other_has_ended(base, caplog):
    caplog.set_level(logging.INFO, "model2_assets.storage")
    with Store(base).hold("us"), Store(base).hold("us", partition="21d|ridge"):
        thread = other_writes(base, "second")
        thread.join(1.0)
        assert thread.is_alive()
        Store(base).write(SHEET, "first")
    thread.join(20)
    assert Store(base).load(SHEET) == "second"
    said = [text for text in caplog.messages if text.startswith("us: ")]
    assert said[0].startswith("us: waiting for process ")
    assert said[1] == "us: going on"


def test_a_hold_is_renewed_while_it_lasts(base, short_lease):
    with Store(base).hold("us"):
        thread = other_writes(base, "second")
        thread.join(4.0)
        assert thread.is_alive()
        Store(base).write(SHEET, "first")
    thread.join(20)
    assert Store(base).load(SHEET) == "second"


def test_a_late_write_of_a_former_holder_does_not_win(base, short_lease, monkeypatch):
    """It is refused made anew, and where it was sent before: also of a file seen before."""
    store, region = Store(base), RegionObject(open_base(base) / ".commits/us.json")
    with store.hold("us"):
        store.write(SHEET, PAGES[0])
    monkeypatch.setattr(lease, "_renew", lambda *_frozen: None)
    with store.hold("us"):
        state, etag, _ = region._read()
        sent = state.changed(current={str(SHEET): "0" * 64})
        other_writes(base, PAGES[0]).join(30)  # the same file again
        assert not region._replace(sent, etag)
        with pytest.raises(StoreError, match=r"the hold of this process is lost to a process that"):
            store.write(SHEET, PAGES[2])
        with (
            pytest.raises(StoreError, match=r"it publishes nothing more, run again$"),
            store.hold("us", partition="21d|ridge"),
        ):
            pass
    assert store.load(SHEET) == store.entry_file(SHEET).read_text() == PAGES[0]


def test_a_write_whose_answer_was_lost_is_made_once(s3, base):
    lost = []

    def lose(method, path):
        if method == "PUT" and ".commits/us.json" in path and len(lost) < 12:
            lost.append(path)
            return "drop reply" if len(lost) % 2 else None
        return None

    with proxy(s3, lose), Store(base).hold("us"):
        Store(base).write(SHEET, "one")
    state = RegionObject(open_base(base) / ".commits/us.json").read()
    assert len(lost) > 2
    assert (state.holders, list(state.current)) == ({}, [str(SHEET)])
    assert Store(base).load(SHEET) == "one"


def test_a_store_without_conditional_writes_is_named_with_the_consequence(s3, base, caplog):
    with proxy(s3, lambda *_request: "unconditional"):
        store = Store(base)
        for page in PAGES[:2]:
            with store.hold("us"):
                store.write(SHEET, page)
        assert store.load(SHEET) == PAGES[1]
    assert objects(store) >= {str(SHEET)}
    assert not any(name.startswith(".commits") for name in objects(store))
    said = [text for text in caplog.messages if "conditional" in text]
    assert said == [
        f"{base}: the store has no conditional writes, so only processes of one machine wait for "
        f"each other: start no second machine on a region while one works on it"
    ]


def test_no_local_folder_for_working_files_is_told_with_the_remedy(base, caplog, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    _tell_of_no_working_folder.cache_clear()
    for _ in range(2):
        with Store(base).hold("us"):
            pass
    (said,) = [text for text in caplog.messages if "working files" in text]
    assert "features from Parquet into memory" in said
    assert "set execution.working_dir to a folder on a local disk, such as an emptyDir" in said


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (403, r"\(AccessDenied\); give the credentials the permissions that docs/object_storage"),
        (503, r"\(SlowDown\); the store limits requests: run fewer partitions at once, or wait"),
        (500, r"\(InternalError\); see that the store is well"),
        ("drop", r"\(ConnectionClosedError\); see that the network and AWS_ENDPOINT_URL lead"),
    ],
)
def test_what_the_store_refuses_for_good_is_one_sentence(s3, base, monkeypatch, planted, said):
    monkeypatch.setattr("model2_assets.storage.s3.CONFIG", {"retries": {"total_max_attempts": 1}})
    with proxy(s3, lambda *_request: planted):
        store = Store(base)
        with pytest.raises(StoreError, match=rf"^s3://bucket-\w+/results/.*{said}") as caught:
            store.load(OOF)
        with pytest.raises(StoreError, match=said), store.hold("us"):
            pass
    assert "\n" not in str(caught.value)


def test_buckets_and_credentials_that_are_not_there_are_named(s3):
    with pytest.raises(StoreError, match=r"\(NoSuchBucket\); correct MODEL2_STORAGE"):
        Store("s3://nobody-has-this/results").load(OOF)
    with (
        environment(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_EC2_METADATA_DISABLED="1"),
        pytest.raises(StoreError, match=r"\(NoCredentialsError\); set AWS_PROFILE, or AWS_ACCESS"),
    ):
        Store("s3://nobody-has-this/results").load(OOF)

"""Records of files that the store has not published, by who may write all of it."""

import hashlib
from datetime import UTC, datetime, timedelta

from model2_assets.storage import Address, Store
from model2_assets.storage.record import Record


def forge_record(store: Store, address: Address, data: bytes, *, kept: bool = False) -> Record:
    """Write a record as if bytes had been published at an address; with `kept` as the newest."""
    known = store.archive.versions(address)
    moment = known[0].published if known else datetime.now(UTC)
    forged = Record(
        address=str(address),
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        files=known[0].files if known else {},
        data_version=known[0].data_version if known else "0",
        inputs=known[0].inputs if known else {},
        settings=known[0].settings if known else "",
        rows=known[0].rows if known else None,
        kept=kept,
        first_published=moment,
        published=moment + timedelta(seconds=1) if kept else moment,
    )
    folder = store.archive.folder(address)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / forged.file_name).write_text(forged.to_json())
    return forged


def put_in_place(store: Store, address: Address, data: bytes) -> None:
    """Put bytes in the place of a result, with the record that belongs to them."""
    path = store.entry_file(address)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # the kept version may be another link to the same file
    path.write_bytes(data)
    forge_record(store, address, data)

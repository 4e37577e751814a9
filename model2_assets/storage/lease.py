"""One object a region, by which machines that share nothing but a bucket take turns.

It says who holds the region, and which file of every result is current: readers follow it. No two
versions of it are equal, since each has a number, and a version is replaced only on the condition
that its ETag is that of the version which the new one was made from. So a result becomes current
in a version that still names its writer as a holder, or not at all. Who takes a region over
strikes out the holder whose time is up: a write which that one had sent before carries the ETag
of a version that is gone, and the store refuses it whenever it arrives; made again, it finds its
holder struck out. What else a late writer leaves are files named by their content, which nothing
follows.

A holder's time is up `LEASE_SECONDS` after it was last renewed, both by the clock of the store:
the date of the answer in which the region was read. Clocks of machines are never compared.
"""

import json
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage.files import ObjectStoreError, is_local, is_s3, signature

COMMITS = ".commits"
"""Folder of the regions' objects, below the base path."""

LEASE_SECONDS = 90.0
"""After which nobody has to wait for a holder that has not renewed its hold."""

ALL = ""
"""Scope of a holder of the whole region; that of others is a partition, or `READ`."""

READ = "read"

logger = logging.getLogger(__name__)

_UNKNOWN = ("NotImplemented", "501", "InvalidArgument", "InvalidRequest")
"""Codes of answers of a store that knows no such conditions."""

_held = threading.local()
"""Leases of the thread, by the place of their region; it may hold what it holds already."""


class Holder(BaseModel):
    """A process that holds a region or a part of it, and when that was last renewed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scope: str
    who: str
    renewed: AwareDatetime

    def excludes(self, scope: str) -> bool:
        """Tell whether who wants this scope has to wait."""
        return ALL in (self.scope, scope) or self.scope == scope != READ


class RegionState(BaseModel):
    """Who holds a region, and the name of the current file of every result, by address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = 0
    current: dict[str, str] = {}
    holders: dict[str, Holder] = {}

    def changed(self, **values: Any) -> "RegionState":
        """Return the next version."""
        return self.model_copy(update={"number": self.number + 1, **values})


class RegionObject:
    """The object of a region: read, and changed under the condition that nobody else has."""

    def __init__(self, path: UPath) -> None:
        self.path = path

    def read(self) -> RegionState | None:
        """Return what it says; None if there is none, as where nothing was ever held."""
        try:
            return self._read()[0]
        except FileNotFoundError:
            return None

    def change(self, change: Callable[[RegionState, datetime], RegionState]) -> None:
        """Replace what it says by what the function makes of it, at the time of the store.

        The function is called again where somebody else came first. So it returns what it is
        given where its change is made already, as by a write whose answer was lost.
        """
        while True:
            try:
                state, etag, now = self._read()
            except FileNotFoundError:
                self._replace(RegionState(), None)
                continue
            wanted = change(state, now)
            if wanted is state or self._replace(wanted, etag):
                return
            time.sleep(random.uniform(0.01, 0.1))

    def _read(self) -> tuple[RegionState, str, datetime]:
        data, etag, now = self.path.fs.fetch(self.path.path)
        try:
            return RegionState.model_validate_json(data), etag, now
        except ValidationError as error:
            raise StoreError(
                f"{self.path}: is not the state of a region ({error.errors()[0]['msg']}); remove "
                f"it while nothing runs: copies at the results' own paths are read then"
            ) from error

    def _replace(self, state: RegionState, etag: str | None) -> bool:
        text = json.dumps(state.model_dump(mode="json"), indent=2)
        return bool(self.path.fs.replace(self.path.path, text.encode(), etag=etag))


@dataclass(frozen=True)
class Lease:
    """A hold of a region, or of a part of it."""

    region: RegionObject
    scope: str
    token: str
    lost: threading.Event

    def publish(self, address: str, name: str) -> None:
        """Make a file current; StoreError if the hold is lost, and nothing has changed then."""

        def published(state: RegionState, _now: datetime) -> RegionState:
            self.holder(state)
            if state.current.get(address) == name:
                return state
            return state.changed(current={**state.current, address: name})

        self.region.change(published)

    def require(self) -> None:
        """Refuse to go on where the hold is lost, by what the store says now."""
        self.holder(self.region.read() or RegionState())

    def holder(self, state: RegionState) -> Holder:
        """Return the entry of this hold; StoreError if it was struck out."""
        holder = None if self.lost.is_set() else state.holders.get(self.token)
        if holder is not None:
            return holder
        self.lost.set()
        by = "; ".join(other.who for other in state.holders.values()) or "a process that has ended"
        raise StoreError(
            f"{self.region.path}: the hold of this process is lost to {by}, since it was not "
            f"renewed for {LEASE_SECONDS:.0f} s: it was frozen, or cut off from the store; it "
            f"publishes nothing more, run again"
        )

    def renew(self, state: RegionState, now: datetime) -> RegionState:
        """Return a state in which the hold lasts from now."""
        renewed = self.holder(state).model_copy(update={"renewed": now})
        return state.changed(holders={**state.holders, self.token: renewed})


@contextmanager
def leased(region: RegionObject, what: str, scope: str) -> Iterator[Lease]:
    """Hold a region while the block runs; waits, and says for whom, where somebody has it."""
    held: list[Lease] = _held.__dict__.setdefault("leases", [])
    for lease in held:
        if lease.region.path == region.path and (lease.scope in (ALL, scope) or scope == READ):
            lease.require()
            yield lease
            return
    lease = Lease(region, scope, uuid.uuid4().hex, threading.Event())
    ended = threading.Event()
    _acquire(lease, what)
    threading.Thread(target=_renew, args=(lease, ended), daemon=True, name="lease").start()
    held.append(lease)
    try:
        yield lease
    finally:
        held.remove(lease)
        ended.set()
        _release(lease)


def _acquire(lease: Lease, what: str) -> None:
    me, told = signature(), False

    def acquired(state: RegionState, now: datetime) -> RegionState:
        if lease.token in state.holders:
            return state
        oldest = now - timedelta(seconds=LEASE_SECONDS)
        alive = {token: each for token, each in state.holders.items() if each.renewed >= oldest}
        for holder in alive.values():
            if holder.excludes(lease.scope):
                raise _HeldError(holder.who)
        mine = Holder(scope=lease.scope, who=me, renewed=now)
        return state.changed(holders={**alive, lease.token: mine})

    while True:
        try:
            lease.region.change(acquired)
            break
        except _HeldError as error:
            if not told:
                logger.info("%s: waiting for %s", what, error)
            told = True
            time.sleep(min(2.0, LEASE_SECONDS / 10))
    if told:
        logger.info("%s: going on", what)


class _HeldError(Exception):
    """Somebody holds what is wanted."""


def _renew(lease: Lease, ended: threading.Event) -> None:
    while not ended.wait(LEASE_SECONDS / 5):
        try:
            lease.region.change(lease.renew)
        except Exception as error:
            if not ended.is_set():
                logger.warning("%s", error)
            if lease.lost.is_set():
                return


def _release(lease: Lease) -> None:
    def released(state: RegionState, _now: datetime) -> RegionState:
        others = {token: each for token, each in state.holders.items() if token != lease.token}
        return state if len(others) == len(state.holders) else state.changed(holders=others)

    try:
        lease.region.change(released)
    except StoreError as error:
        logger.warning("%s; it ends in %.0f s by itself", error, LEASE_SECONDS)


@cache
def has_conditional_writes(base: UPath) -> bool:
    """Tell whether a store refuses to create an object twice, and to replace an unseen version.

    Where it does not, the log says what that means; a local disk has locks instead.
    """
    if is_local(base):
        return False
    found = is_s3(base) and _are_kept(base)
    if not found:
        logger.warning(
            "%s: the store has no conditional writes, so only processes of one machine wait for "
            "each other: start no second machine on a region while one works on it",
            base,
        )
    return found


def _are_kept(base: UPath) -> bool:
    path = base / COMMITS / f"probe-{uuid.uuid4().hex}"
    write = path.fs.replace
    try:
        created = bool(write(path.path, b"1", etag=None))
        again = write(path.path, b"2", etag=None) or write(path.path, b"3", etag='"unseen"')
        return created and not again
    except ObjectStoreError as error:
        if error.code not in _UNKNOWN:
            raise
        return False
    finally:
        with suppress(OSError):
            path.unlink()

"""Damage to the bytes of a stored file, and what its reader makes of it."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from model2_assets.errors import Model2Error
from model2_assets_tests.corruption.stored import StoredFile

Outcome = Literal["refused", "made again", "unchanged", "NOT FOUND", "NOT NAMED"]
"""``unchanged``: the damage is where no value is, and the reader gets the same.

``NOT FOUND``: the reader gets other values. ``NOT NAMED``: it fails by an error that is not ours,
or that does not name the file.
"""


@dataclass(frozen=True)
class Damage:
    """A change to the bytes of one file."""

    kind: Literal["flipped byte", "cut off", "empty", "extended"]
    position: int = 0
    mask: int = 0xFF

    def of(self, data: bytes) -> bytes:
        if self.kind == "flipped byte":
            changed = bytearray(data)
            changed[self.position] ^= self.mask
            return bytes(changed)
        if self.kind == "extended":
            return data + b"\0"
        return data[: self.position] if self.kind == "cut off" else b""


def every_damage(size: int, step: int = 1) -> Iterator[Damage]:
    """Yield each byte flipped, in one bit and in all, and each length that is cut off."""
    yield Damage("empty")
    yield Damage("extended")
    for position in range(0, size, step):
        yield Damage("flipped byte", position, 1 << position % 8)
        yield Damage("flipped byte", position, 0xFF)
    for length in range(1, size, step):
        yield Damage("cut off", length)


def outcome_of(file: StoredFile, damage: Damage, *, sound: Any) -> tuple[Outcome, str]:
    """Damage a file, read it, and put it back; return what happened and the message."""
    data = file.path.read_bytes()
    replace_file(file.path, damage.of(data))
    logging.disable(logging.WARNING)
    try:
        found = file.read()
    except Model2Error as error:
        is_named = str(file.path) in str(error) or file.is_made_again
        return ("refused" if is_named else "NOT NAMED"), str(error)
    except Exception as error:
        # A reader of working files takes any error as the order to make the file again.
        outcome: Outcome = "made again" if file.is_made_again else "NOT NAMED"
        return outcome, f"{type(error).__name__}: {error}"
    else:
        if found != sound:
            return "NOT FOUND", ""
        is_whole = file.is_made_again and file.path.read_bytes() == data
        return ("made again" if is_whole else "unchanged"), ""
    finally:
        logging.disable(logging.NOTSET)
        replace_file(file.path, data)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file anew: the old one may have another name that must stay as it is."""
    path.unlink()
    path.write_bytes(data)

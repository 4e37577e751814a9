"""Damage every byte of a file of every kind, and print what the readers make of it.

``python -m model2_assets_tests.corruption [every-nth-byte]``
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

from model2_assets_tests.corruption.damage import every_damage, outcome_of
from model2_assets_tests.corruption.stored import fill, stored_files

FOUND = ("refused", "made again")
MISSED = ("NOT FOUND", "NOT NAMED")


def main(step: int = 1) -> int:
    """Print a row for every kind of file; return the number of kinds with surprises."""
    surprises = 0
    print("| file | bytes | planted | found | without effect | not found |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for file in stored_files(fill(Path(folder))):
            sound, size = file.read(), file.path.stat().st_size
            counts: Counter[str] = Counter()
            for damage in every_damage(size, step):
                outcome, message = outcome_of(file, damage, sound=sound)
                counts[outcome] += 1
                if outcome in MISSED and file.is_verified and counts[outcome] <= 3:
                    print(f"{file.kind}: {damage}: {outcome} {message}", file=sys.stderr)
            found, missed = (sum(counts[name] for name in names) for names in (FOUND, MISSED))
            surprises += missed > 0 and file.is_verified
            print(
                f"| {file.kind} | {size:,} | {counts.total():,} | {found:,} | "
                f"{counts['unchanged']:,} | {missed:,} |",
                flush=True,
            )
    return surprises


if __name__ == "__main__":
    sys.exit(min(main(*map(int, sys.argv[1:])), 1))

"""Kill retrains at random moments: ``python -m model2_assets_tests.faults --kills 100 --seed 0``.

Exits with 1 if a kill left anything but whole results, or the next retrain did not mend it.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from model2_assets_tests.faults.campaign import Campaign, Kill
from model2_assets_tests.faults.scene import PARTITIONS
from model2_assets_tests.faults.table import kills_table, summary, survived


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--recover-every", type=int, default=1, help="kills before a retrain is left alone"
    )
    parser.add_argument(
        "--partitions", nargs="+", default=list(PARTITIONS), help="models and horizons to train"
    )
    parser.add_argument("--tear-sheets", action="store_true", help="draw and kill these too")
    parser.add_argument("--output", type=Path, help="JSON lines, one a kill")
    parser.add_argument("--folder", type=Path, help="where to work; needs 100 MB")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        campaign = Campaign(
            Path(folder) / "campaign",
            partitions=chosen.partitions,
            tear_sheets=chosen.tear_sheets,
        )
        campaign.prepare()
        kills = []
        for kill in campaign.run(
            chosen.kills, seed=chosen.seed, recover_every=chosen.recover_every
        ):
            kills.append(kill)
            _tell(len(kills), kill, chosen.output)
    print(f"\n{kills_table(kills)}\n\n{summary(kills)}")
    return 0 if all(map(survived, kills)) else 1


def _tell(number: int, kill: Kill, output: Path | None) -> None:
    where = f"{kill.spot.asset} {kill.spot.phase} {kill.spot.partition or ''}"
    print(f"{number}: {kill.moment.kind}: {where}: {'; '.join(kill.faults) or 'survived'}")
    sys.stdout.flush()
    if output is not None:
        with output.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(kill)) + "\n")


if __name__ == "__main__":
    sys.exit(main())

"""Kill a real retrain after some folds, run it again, and compare with an undisturbed one.

``python -m model2_assets_tests.resumed_after_kill [folder]`` prints the table of
``docs/reliability.md``: XGBoost for 21 days on the demo region, profile ``exact``, one fold at
a time. Three retrains, one after another, in a store and a Dagster instance of their own; the
models of the first are removed before the second.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PARTITION = "21d|xgboost"
KILL_AFTER = 3
"""Folds that are finished when the retrain is killed."""

CONFIG = {
    "models": {"ridge": None},
    "execution": {"n_jobs": 1, "profile": "exact"},
    "reports": {"pictures": False, "tear_sheets": False},
}


@dataclass(frozen=True)
class Bench:
    """A store and a Dagster instance of its own."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        config = self.folder / "config.json"
        config.write_text(json.dumps(CONFIG))  # JSON is YAML
        return {
            **os.environ,
            "DAGSTER_HOME": str(home),
            "MODEL2_STORAGE": str(self.folder / "data"),
            "MODEL2_CONFIG": str(config),
        }

    def retrain(self, *, kill_after: int | None = None) -> list[str]:
        """Retrain the partition; return the lines it printed."""
        program = "from model2_assets.cli.main import main; main()"
        command = [sys.executable, "-c", program, "retrain", "--horizon", "21d"]
        process = subprocess.Popen(
            command,
            env=self.environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line.rstrip())
            if " split " in line:
                print(lines[-1], flush=True)
            if kill_after is not None and f"; {kill_after} of 5 done" in line:
                process.send_signal(signal.SIGKILL)
                break
        process.stderr.close()
        status = process.wait()
        assert status == (0 if kill_after is None else -signal.SIGKILL), "\n".join(lines[-20:])
        return lines

    def forget_models(self) -> None:
        """Remove the published models, so that a retrain has to make them."""
        shutil.rmtree(self.folder / "data" / "us" / "fitted_models")

    def kept(self) -> int:
        folder = self.folder / "data" / ".working" / "us" / "fold_checkpoints"
        return sum(path.suffix == ".json" for path in folder.rglob("*"))

    def materialized(self) -> dict[str, object]:
        """Return what the latest fitted models say of themselves."""
        import dagster as dg

        with dg.DagsterInstance.from_config(str(self.folder / "home")) as instance:
            found = instance.fetch_materializations(
                dg.AssetRecordsFilter(dg.AssetKey(["us", "fitted_models"]), [PARTITION]), limit=1
            ).records[0]
        made = found.asset_materialization
        assert made is not None
        return {
            "data version": (made.tags or {})["dagster/data_version"],
            "folds_reused": made.metadata["folds_reused"].value,
            "fit_seconds": made.metadata["fit_seconds"].value,
        }


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="model2-resumed-") as scratch:
        bench = Bench(Path(sys.argv[1] if len(sys.argv) > 1 else scratch))
        rows = []
        for name, kill_after in (("undisturbed", None), ("killed", KILL_AFTER), ("next", None)):
            print(f"{name}:", flush=True)
            if kill_after is not None:
                bench.forget_models()
            started = time.monotonic()
            bench.retrain(kill_after=kill_after)
            seconds, made = time.monotonic() - started, bench.materialized()
            rows.append((name, seconds, made if kill_after is None else {}, bench.kept()))
        print("\n| retrain | seconds | of these fitting | folds reused | data version | left |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name, seconds, made, kept in rows:
            shown = [
                f"{made['fit_seconds']:.1f}" if made else "",
                str(made.get("folds_reused", "")),
                str(made.get("data version", ""))[:12],
            ]
            print("|", " | ".join([name, f"{seconds:.1f}", *shown, f"{kept} files"]), "|")
        assert rows[0][2]["data version"] == rows[2][2]["data version"]
        assert rows[2][2]["folds_reused"] == KILL_AFTER


if __name__ == "__main__":
    main()

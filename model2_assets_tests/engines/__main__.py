"""The demo market on a scheduler and two workers of this machine: ``make cluster-demo``."""

import logging
import tempfile
import time
from pathlib import Path
from typing import Any

from model2_assets.config import parse_config
from model2_assets.logging import setup_logging
from model2_assets_tests.engines.cluster import running_cluster
from model2_assets_tests.engines.region import bits, fitted, store_tables


def main() -> None:
    """Fit the models here and there, and print whether they differ."""
    setup_logging(logging.WARNING)
    config = parse_config({"regions": {"us": {"market_data": {"source": "demo"}}}})
    with tempfile.TemporaryDirectory() as folder:
        tables = store_tables(Path(folder) / "data", config)
        print(f"demo market: {len(tables.features):,} rows × {tables.features.shape[1]} features")
        with running_cluster(Path(folder) / "cluster", memory="4GB") as cluster:
            print(f"2 workers of {cluster.address}, TLS on")
            for model in ("ridge", "xgboost"):
                here, here_s = timed(fitted, config, tables, model)
                for sums in (Path(folder) / "data").rglob("ridge_sums/*"):
                    sums.unlink()
                there, there_s = timed(fitted, config, tables, model, execution=cluster.execution())
                same = "the same bits" if bits(here) == bits(there) else "OTHER MODELS"
                print(f"21d|{model}: {here_s:.1f} s here, {there_s:.1f} s on workers, {same}")


def timed(make: Any, *arguments: Any, **options: Any) -> tuple[Any, float]:
    started = time.monotonic()
    return make(*arguments, **options), time.monotonic() - started


if __name__ == "__main__":
    main()

"""Print time, memory and sensitivity of the null control on the stored tables of a region.

Run from the repository root: ``python -m benchmarks.null_control FOLDER [HORIZON]``, where
FOLDER holds ``features.parquet``, ``labels.parquet`` and ``cv_splits.parquet``.
"""

import sys

import pandas as pd

from model2_assets.checks.null_control import null_control
from model2_assets.training import assemble_training_data, measure_resources
from model2_assets_tests.controls.leaking import leak_test_rows


def main() -> None:
    """Print a row per share of its test rows that every split also trains on."""
    folder, horizon = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "21d"
    tables = [
        pd.read_parquet(f"{folder}/{name}.parquet") for name in ("features", "labels", "cv_splits")
    ]
    data = assemble_training_data(*tables, horizon=horizon)
    del tables
    print(f"{horizon}: {data.X.shape[0]:,} rows × {data.X.shape[1]} features, one thread")
    for share in (0.0, 0.01, 0.05, 0.2, 1.0):
        with measure_resources() as usage:
            control = null_control(leak_test_rows(data, share=share), n_threads=1)
        print(
            f"{share:5.0%} of test rows trained on: {control.mean:+.5f} ± "
            f"{control.monte_carlo_error:.5f} ({control.mean / control.monte_carlo_error:+.1f} "
            f"errors), {usage.seconds:.1f} s, peak {usage.peak_rss_bytes / 1e9:.2f} GB"
        )


if __name__ == "__main__":
    main()

"""The 158 features by Qlib's own engine; runs under the Python that has pyqlib.

``python features_by_qlib.py MARKET RESULT [--unranked FILE]`` writes the market in Qlib's
format to a temporary folder, evaluates the Alpha158 expressions on all cores, ranks them
within dates, and writes the seconds of each phase as JSON to RESULT.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

COLUMNS = ("open", "high", "low", "close", "vwap", "volume")
MIN_HISTORY = 60


def main() -> None:
    """Measure the phases ``dump``, ``values`` and ``rank``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("market", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--unranked", type=Path, help="write unranked values here, do not rank")
    options = parser.parse_args()
    phases: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        bars = pd.read_parquet(options.market)
        dump(bars, Path(folder))
        phases["dump"] = time.perf_counter() - started
        started = time.perf_counter()
        features = evaluate(Path(folder))
        phases["values"] = time.perf_counter() - started
    if options.unranked:
        np.save(options.unranked, after_history(features).to_numpy(dtype=np.float32))
    else:
        started = time.perf_counter()
        rank(features)
        phases["rank"] = time.perf_counter() - started
    facts = {"pyqlib": _version("pyqlib"), "pandas": pd.__version__, "numpy": np.__version__}
    options.result.write_text(json.dumps({"phases": phases, "facts": facts}), encoding="utf-8")


def _version(distribution: str) -> str:
    from importlib.metadata import version

    return version(distribution)


def dump(bars: pd.DataFrame, folder: Path) -> None:
    """Write bars as Qlib stores them: a calendar, and float32 values a day from the first on."""
    calendar = pd.DatetimeIndex(np.sort(bars["datetime"].unique()))
    (folder / "calendars").mkdir()
    days = [f"{day:%Y-%m-%d}" for day in calendar]
    (folder / "calendars" / "day.txt").write_text("\n".join(days) + "\n", encoding="utf-8")
    lines = []
    for instrument, own in bars.set_index("datetime").sort_index().groupby("instrument"):
        first, last = (int(calendar.searchsorted(end)) for end in (own.index[0], own.index[-1]))
        lines.append(f"{instrument}\t{days[first]}\t{days[last]}")
        target = folder / "features" / str(instrument).lower()
        target.mkdir(parents=True)
        every_day = own.reindex(calendar[first : last + 1])
        for name in COLUMNS:
            values = np.hstack([[first], every_day[name].to_numpy()]).astype("<f4")
            values.tofile(target / f"{name}.day.bin")
    (folder / "instruments").mkdir()
    (folder / "instruments" / "all.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def evaluate(folder: Path) -> pd.DataFrame:
    """Evaluate the Alpha158 expressions for all instruments, a process per core."""
    import qlib
    from qlib.contrib.data.loader import Alpha158DL
    from qlib.data import D

    qlib.init(
        provider_uri=str(folder),
        region="us",
        kernels=len(os.sched_getaffinity(0)),
        expression_cache=None,
        dataset_cache=None,
        logging_level=40,
    )
    fields, names = Alpha158DL.get_feature_config()
    features: pd.DataFrame = D.features(D.instruments("all"), fields, freq="day")
    features.columns = names
    return features


def rank(features: pd.DataFrame) -> pd.DataFrame:
    """Rank every feature within its date, as ``qlib.data.dataset.processor.CSRankNorm`` does."""
    return features.groupby("datetime", group_keys=False).rank(pct=True) - 0.5


def after_history(features: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with 60 earlier bars, by date, then instrument."""
    rows = features.groupby(level="instrument").cumcount() >= MIN_HISTORY
    return features[rows.to_numpy()].reorder_levels(["datetime", "instrument"]).sort_index()


if __name__ == "__main__":
    main()

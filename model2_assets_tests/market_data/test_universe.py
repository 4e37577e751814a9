import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.config import MarketDataConfig
from model2_assets.errors import MarketDataError
from model2_assets.market_data import load_market_data, synthetic_panel, validate_panel
from model2_assets.market_data.universe import mark_universe, read_universe

BARS = synthetic_panel(n_instruments=3, n_dates=10, start="2024-01-01")
PANEL, _ = validate_panel(BARS)


def stints_of(*rows):
    frame = pd.DataFrame(rows, columns=["instrument", "from", "to"])
    frame["instrument"] = frame["instrument"].astype("str")
    for name in ("from", "to"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[us]")
    return frame


def members(panel, instrument):
    own = panel.loc[instrument, "in_universe"]
    return [f"{date:%m-%d}" for date in own.index[own]]


def test_both_ends_are_included_and_an_open_end_lasts():
    stints = stints_of(("S000", "2024-01-03", "2024-01-05"), ("S001", "2024-01-11", None))
    panel, counts = mark_universe(PANEL, stints, origin="universe.csv")
    assert members(panel, "S000") == ["01-03", "01-04", "01-05"]
    assert members(panel, "S001") == ["01-11", "01-12"]
    assert members(panel, "S002") == []
    assert counts == {
        "outsider_rows": 25,
        "outsider_instruments": 1,
        "universe_instruments_without_data": 0,
    }


def test_several_and_overlapping_stints_and_stints_outside_the_data():
    stints = stints_of(
        ("S000", "2024-01-01", "2024-01-02"),
        ("S000", "2024-01-02", "2024-01-03"),
        ("S000", "2024-01-06", "2024-01-07"),
        ("S000", "2024-01-12", "2024-03-01"),
        ("S001", "2025-01-01", None),
        ("S001", "2020-01-01", "2020-12-31"),
        ("GONE", "2020-01-01", None),
        ("GONE", "2020-01-01", None),
    )
    panel, counts = mark_universe(PANEL, stints, origin="universe.csv")
    assert members(panel, "S000") == ["01-01", "01-02", "01-03", "01-12"]
    assert members(panel, "S001") == []
    assert counts["outsider_instruments"] == 2
    assert counts["universe_instruments_without_data"] == 1


def test_no_overlap_at_all_is_refused():
    stints = stints_of(("s000", "2024-01-01", None))
    with pytest.raises(MarketDataError, match=r"universe.csv: no bar falls.*s000.*S000"):
        mark_universe(PANEL, stints, origin="universe.csv")
    with pytest.raises(MarketDataError, match="no bar falls"):
        mark_universe(PANEL, stints_of(), origin="universe.csv")


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["S000", "S001", "S002", "NONE"]),
            st.integers(-3, 16),
            st.one_of(st.none(), st.integers(0, 8)),
        ),
        max_size=8,
    )
)
def test_membership_equals_its_definition(rows):
    first = pd.Timestamp("2024-01-01")
    day = pd.Timedelta(days=1)
    stints = stints_of(
        *(
            (name, first + day * begin, None if length is None else first + day * (begin + length))
            for name, begin, length in rows
        )
    )
    expected = [
        any(
            name == instrument and begin <= date and (pd.isna(end) or date <= end)
            for instrument, begin, end in stints.itertuples(index=False)
        )
        for name, date in PANEL.index
    ]
    if not any(expected):
        with pytest.raises(MarketDataError):
            mark_universe(PANEL, stints, origin="universe")
        return
    panel, counts = mark_universe(PANEL, stints, origin="universe")
    assert panel["in_universe"].tolist() == expected
    assert counts["outsider_rows"] == expected.count(False)


def test_csv_and_parquet_files_are_read_alike(tmp_path):
    text = "instrument,from,to,comment\nS000,2024-01-03,2024-01-05,x\nNA,2024-01-04,,\n"
    (tmp_path / "universe.csv").write_text(text)
    stints = read_universe(str(tmp_path / "universe.csv"))
    pd.testing.assert_frame_equal(
        stints, stints_of(("S000", "2024-01-03", "2024-01-05"), ("NA", "2024-01-04", None))
    )
    stints.to_parquet(tmp_path / "universe.parquet")
    pd.testing.assert_frame_equal(read_universe(str(tmp_path / "universe.parquet")), stints)


def test_everyone_still_a_member(tmp_path):
    (tmp_path / "universe.csv").write_text("instrument,from,to\nS000,2024-01-03,\n")
    assert read_universe(str(tmp_path / "universe.csv"))["to"].isna().all()


def test_universe_of_the_config_marks_the_panel(tmp_path):
    (tmp_path / "universe.csv").write_text("instrument,from,to\nS000,2010-01-01,\n")
    config = MarketDataConfig(
        source="synthetic",
        params={"n_instruments": 3, "n_dates": 70},
        universe=str(tmp_path / "universe.csv"),
    )
    data = load_market_data(config)
    assert data.panel["in_universe"].sum() == 70
    assert data.counts["outsider_rows"] == 140
    assert data.counts["rows"] == 210
    assert str(tmp_path / "universe.csv") in data.source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "ticker,from,to\nA,2024-01-01,\n",
            r"no column 'instrument'; the file has: ticker.*rename",
        ),
        ("instrument,from\nA,2024-01-01\n", "no column 'to'"),
        ("instrument,from,to\nA,01/02/2024,\n", "column 'from', data row 1: '01/02/2024'"),
        ("instrument,from,to\nA,,\n", "column 'from' is empty in data row 1"),
        ("instrument,from,to\nA,2024-01-01,never\n", "column 'to', data row 1: 'never'"),
        ("instrument,from,to\n,2024-01-01,\n", r"column .instrument. is empty in data row 1"),
        (
            "instrument,from,to\nA,2024-01-01,\nB,2024-01-02,2024-01-01\n",
            r"data row 2 \(instrument B\) ends before it begins",
        ),
    ],
)
def test_unusable_universe_files_are_refused(tmp_path, text, message):
    path = tmp_path / "universe.csv"
    path.write_text(text)
    with pytest.raises(MarketDataError, match=message):
        read_universe(str(path))


def test_missing_universe_file_names_its_key():
    with pytest.raises(MarketDataError, match=r"correct market_data\.universe"):
        read_universe("nowhere.csv")

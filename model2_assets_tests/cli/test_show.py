import pandas as pd
import pytest
from rich.console import Console

from model2_assets.cli.show import WIDE, fitting_scores_table, scores_table, variants_table
from model2_assets.config import Partition
from model2_assets.contracts import load_contract


def board(**changes):
    row = {
        "horizon": "63d",
        "model": "xgboost",
        "rank_ic": -0.01234,
        "rank_ic_se": 0.00123,
        "rank_ic_t": -12.34,
        "rank_ic_change": -0.00456,
        "n_effective": 1234.6,
        "rank_ic_path_min": -0.01111,
        "rank_ic_path_median": -0.02222,
        "rank_ic_path_max": 0.03333,
        "icir": -0.123,
        "r2": -0.0123,
        "mse": 1234567.0,
        "decile_spread_bps": -123.4,
        "top_quantile_turnover": 0.2345,
        "deflated_sharpe": 0.97,
        "pbo": 0.31,
        "coverage": 1.0,
        "largest_prediction": 987.6,
        "determinism_difference": 1.4e-11,
        "models_bytes": 123.456e6,
        "seconds": 6543.2,
        "peak_rss_bytes": 23456e6,
        "data_version": "0" * 32,
        "trained_at": pd.Timestamp("2026-11-25 17:53:01"),
    }
    assert list(row) == [column.name for column in load_contract("Leaderboard").columns]
    return pd.DataFrame([row | changes, row | {"horizon": "21d"}])


def shown(frame, width=WIDE, *, wide=True):
    console = Console(width=width, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(scores_table("us", frame, wide=wide))
    return capture.get()


def test_large_figures_are_whole_in_one_row_a_partition():
    text = shown(board())
    assert max(len(line) for line in text.splitlines()) <= WIDE
    assert "…" not in text
    for figure in (
        "-0.0123",
        "0.0012",
        "-12.34",
        "-0.0046",
        "1,235",
        "-0.0111",
        "-0.0222",
        "+0.0333",
        "-0.123",
        "1,234,567",
        "-123.4",
        "23.4",
        "0.97",
        "0.31",
        "100.00",
        "988",
        "1e-11",
        "123.46",
        "6543.2",
        "23,456",
        "11-25 17:53",
    ):
        assert figure in text
    assert "never a backtest" in " ".join(text.split())
    assert "withheld" not in text


def test_narrow_terminals_get_one_column_for_each_partition():
    text = shown(board(), width=80, wide=False)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    lines = [line.split() for line in text.splitlines()]
    assert ["model", "xgboost", "xgboost"] in lines
    assert ["horizon", "63d", "21d"] in lines
    assert ["median", "path", "-0.0222", "-0.0222"] in lines
    assert ["MSE", "bps²", "1,234,567", "1,234,567"] in lines


def test_one_path_has_no_range():
    same = dict.fromkeys(("rank_ic_path_min", "rank_ic_path_median", "rank_ic_path_max"), -0.01234)
    text = shown(board(**same).iloc[:1])
    assert "worst" not in text
    assert "worst" in shown(board())


def test_withheld_overfitting_is_said():
    text = shown(board(pbo=float("nan")))
    assert "–" in text
    assert "withheld (–) below four models" in " ".join(text.split())


@pytest.mark.parametrize("column", ["deflated_sharpe", "decile_spread_bps", "rank_ic_t"])
def test_undefined_figures_are_dashes(column):
    assert shown(board(**{column: float("nan")})).count("–") >= 1


def test_what_is_not_known_of_any_partition_has_no_column():
    text = shown(board().assign(rank_ic_change=float("nan"), trained_at=pd.NaT))
    assert "of IC" not in text
    assert "trained" not in text
    text = shown(board())
    assert "of IC" in text
    assert "trained" in text


@pytest.mark.parametrize(("width", "one_row_each"), [(80, False), (120, False), (WIDE, True)])
def test_form_is_the_one_that_fits_the_terminal(width, one_row_each):
    console = Console(width=width)
    with console.capture() as capture:
        console.print(fitting_scores_table(console, "us", board()))
    lines = [line.split() for line in capture.get().splitlines()]
    assert any(line[:2] == ["xgboost", "63d"] for line in lines) == one_row_each
    assert max(map(len, capture.get().splitlines())) <= width
    assert "…" not in capture.get()


def test_shorter_figures_fit_a_narrower_terminal():
    same = dict.fromkeys(("rank_ic_path_min", "rank_ic_path_median", "rank_ic_path_max"), 0.01)
    console = Console(width=152)
    table = fitting_scores_table(console, "us", board(**same).assign(**same))
    assert table.columns[1].header == "horizon"


def test_variants_of_large_figures_and_long_names_fit_80_columns():
    row = {
        **{"rank_ic": -0.01234, "rank_ic_se": 0.00123, "r2": -0.0123, "decile_spread_bps": -123.4},
        **{"deflated_sharpe": 0.97, "pbo": 0.31, "difference": -0.00456, "difference_se": 0.00789},
        **{"difference_t": -12.34, "verdict": "no clear difference"},
    }
    published = dict.fromkeys(("difference", "difference_se", "difference_t"), float("nan"))
    rows = [row | published | {"verdict": None}, row]
    names = ["published", "colsample_bytree=0.123456, max_depth=12"]
    table = pd.DataFrame(rows, index=names)
    table.attrs["overfitting"] = ""
    console = Console(width=80)
    with console.capture() as capture:
        console.print(variants_table("us", Partition("63d", "xgboost"), table))
    text = capture.get()
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    figures = ("-0.0123", "0.0012", "-123.4", "0.97", "-0.0046", "0.0079", "-12.34", "clear")
    assert all(figure in text for figure in figures)
    assert "PBO" not in text

import jsonschema
import numpy as np
import pandas as pd
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from model2_assets.contracts import Column, load_contract
from model2_assets.errors import ContractError
from model2_assets.panel import panel_index
from model2_assets.storage.conformity import require_conformity, table_columns
from model2_assets_tests.sample_tables import (
    CONTRACTS,
    cv_scores,
    cv_splits,
    feature_importance,
    labels,
    market_data,
    oof_predictions,
    panel_rows,
    sample_table,
)


def refusal(frame: pd.DataFrame, contract: str) -> str:
    with pytest.raises(ContractError) as caught:
        require_conformity(frame, load_contract(contract), origin="here.parquet")
    assert str(caught.value).startswith("here.parquet: ")
    return str(caught.value).removeprefix("here.parquet: ")


def conforms(frame: pd.DataFrame, contract: str) -> bool:
    try:
        require_conformity(frame, load_contract(contract), origin="frame")
    except ContractError:
        return False
    return True


@pytest.mark.parametrize("name", CONTRACTS)
def test_sample_tables_conform(name):
    require_conformity(sample_table(name), load_contract(name), origin="sample")


@pytest.mark.parametrize("name", CONTRACTS)
def test_empty_tables_conform(name):
    require_conformity(sample_table(name).iloc[:0], load_contract(name), origin="sample")


@pytest.mark.parametrize("name", CONTRACTS)
def test_keys_may_be_columns_or_index_levels(name):
    frame = sample_table(name)
    contract = load_contract(name)
    flat = frame.reset_index() if frame.index.names[0] is not None else frame
    require_conformity(flat, contract, origin="flat")
    require_conformity(flat.set_index(list(contract.key)), contract, origin="indexed")


def test_missing_column_is_named():
    message = refusal(oof_predictions().drop(columns="fold_id"), "OOFPredictions")
    assert message == "column 'fold_id' is missing; OOFPredictions requires it"


def test_missing_index_level_is_named():
    message = refusal(oof_predictions().droplevel("datetime"), "OOFPredictions")
    assert message == "column 'datetime' is missing; OOFPredictions requires it"


def test_unknown_column_is_named():
    message = refusal(oof_predictions().assign(score=1.0), "OOFPredictions")
    assert message == "column 'score' is not part of OOFPredictions; drop it"


def test_unknown_column_beside_families_is_told_how_families_are_named():
    message = refusal(cv_splits().assign(fold_0=0), "CVSplits")
    assert message == (
        "column 'fold_0' is not part of CVSplits; drop it, or name it to match "
        "^split_[0-9]+(_[1-9][0-9]*d)?$"
    )


def test_named_but_unknown_index_is_refused():
    frame = feature_importance().rename_axis("row")
    assert refusal(frame, "FeatureImportance").startswith("column 'row' is not part of")


def test_repeated_column_is_named():
    frame = oof_predictions()
    twice = pd.concat([frame, frame[["fold_id"]]], axis=1)
    with pytest.raises(ContractError, match="column 'fold_id' appears twice"):
        require_conformity(twice, load_contract("OOFPredictions"), origin="frame")


def test_column_that_repeats_an_index_level_is_named():
    frame = oof_predictions().assign(instrument="A")
    with pytest.raises(ContractError, match="column 'instrument' appears twice"):
        table_columns(frame)


@pytest.mark.parametrize(
    ("contract", "column", "dtype", "needed"),
    [
        ("OOFPredictions", "prediction", "float32", "float64"),
        ("OOFPredictions", "prediction", "Float64", "float64"),
        ("OOFPredictions", "prediction", "int64", "float64"),
        ("OOFPredictions", "fold_id", "int64", "int16"),
        ("OOFPredictions", "fold_id", "uint16", "int16"),
        ("Features", "ROC5", "float64", "float32"),
        ("CVSplits", "split_0", "int16", "int8"),
        ("MarketData", "in_universe", "int8", "bool"),
        ("Labels", "label_end_21d", "datetime64[ns]", "datetime64[us]"),
        ("Labels", "label_end_21d", "datetime64[us, UTC]", "datetime64[us]"),
        ("Leaderboard", "model", "category", "str"),
    ],
)
def test_wrong_type_is_named_with_the_one_needed(contract, column, dtype, needed):
    frame = sample_table(contract)
    if str(dtype).endswith("UTC]"):
        frame[column] = frame[column].dt.tz_localize("UTC")
    else:
        frame[column] = (
            frame[column].fillna(0).astype(dtype)
            if "int" in dtype
            else (frame[column].astype(dtype))
        )
    message = refusal(frame, contract)
    assert message == f"column {column!r} is {dtype}; {contract} requires {needed}, convert it"


def test_dates_in_nanoseconds_are_refused():
    frame = oof_predictions()
    frame.index = frame.index.set_levels(frame.index.levels[1].as_unit("ns"), level="datetime")
    message = refusal(frame, "OOFPredictions")
    assert message.startswith("column 'datetime' is datetime64[ns]; OOFPredictions requires")


@pytest.mark.parametrize("values", [["A", 1], [1, 2], [b"A", b"B"], [("A",), ("B",)]])
def test_objects_that_are_no_text_are_refused(values):
    frame = feature_importance()
    frame["feature"] = pd.Series(values, dtype=object)
    message = refusal(frame, "FeatureImportance")
    assert message.startswith("column 'feature' is object; FeatureImportance requires str")


def test_objects_that_are_text_are_accepted():
    frame = feature_importance().astype({"feature": object})
    assert frame["feature"].dtype == object
    require_conformity(frame, load_contract("FeatureImportance"), origin="frame")


def with_value(frame: pd.DataFrame, column: str, row: int, value: object) -> pd.DataFrame:
    changed = frame.copy()
    changed.iloc[row:, changed.columns.get_loc(column)] = value
    return changed


@pytest.mark.parametrize(
    ("contract", "column", "value", "breach"),
    [
        ("MarketData", "close", 0.0, "column 'close' is not above 0"),
        ("MarketData", "close", np.nan, "column 'close' is not above 0"),
        ("MarketData", "open", -1.0, "column 'open' is not above 0"),
        ("MarketData", "volume", -1.0, "column 'volume' is below 0"),
        ("OOFPredictions", "fold_id", -1, "column 'fold_id' is below 0"),
        ("CVSplits", "split_1", 6, "column 'split_1' is above 5"),
        ("CVSplits", "split_1", -1, "column 'split_1' is below 0"),
        ("CVSplits", "group_id", -3, "column 'group_id' is below -1"),
    ],
)
def test_first_row_out_of_range_is_named_by_instrument_and_date(contract, column, value, breach):
    frame = with_value(sample_table(contract), column, 1, value)
    instrument, date = frame.index[1]
    row = f"first at row 1 (instrument={instrument}, datetime={date:%Y-%m-%d}), 2 rows in all"
    assert refusal(frame, contract) == f"{breach} ({contract}): {row}"


@pytest.mark.parametrize(
    ("column", "value", "breach"),
    [
        ("scope", "row", "column 'scope' is none of fold, split, path, all"),
        ("horizon", "d21", "column 'horizon' does not match ^[0-9]+d$"),
        ("model", "", "column 'model' is empty"),
        ("metric", None, "column 'metric' is missing"),
        ("fold_id", -1, "column 'fold_id' is below 0"),
        ("path_id", -1, "column 'path_id' is below 0"),
    ],
)
def test_first_offending_score_is_named_by_its_key(column, value, breach):
    frame = with_value(cv_scores(), column, 2, value)
    message = refusal(frame, "CVScores")
    assert message.startswith(f"{breach} (CVScores): first at row 2 (model=")
    assert message.endswith("4 rows in all")


@pytest.mark.parametrize("column", ["split_0", "group_id"])
def test_missing_integer_is_named(column):
    frame = cv_splits().astype({column: {"split_0": "Int8", "group_id": "Int16"}[column]})
    require_conformity(frame, load_contract("CVSplits"), origin="nullable type without nulls")
    frame.iloc[2, frame.columns.get_loc(column)] = pd.NA
    message = refusal(frame, "CVSplits")
    assert message.startswith(f"column {column!r} is missing (CVSplits): first at row 2 (")
    assert "instrument=B, datetime=2024-01-03" in message


def test_missing_flag_is_named():
    frame = market_data().astype({"in_universe": "boolean"})
    frame.iloc[1, frame.columns.get_loc("in_universe")] = pd.NA
    message = refusal(frame, "MarketData")
    assert message.startswith("column 'in_universe' is missing (MarketData): first at row 1 (")


def test_missing_key_values_are_named():
    frame = market_data()
    dates = pd.DatetimeIndex([*frame.index.get_level_values("datetime")[:2], pd.NaT]).as_unit("us")
    frame.index = pd.MultiIndex.from_arrays(
        [frame.index.get_level_values("instrument"), dates], names=["instrument", "datetime"]
    )
    message = refusal(frame, "MarketData")
    assert message.startswith("column 'datetime' is missing (MarketData): first at row 2 ")
    assert "(instrument=B, datetime=NaT)" in message


def test_missing_values_are_allowed_where_the_contract_says_null():
    frame = labels()
    frame[["forward_return_21d", "label_21d"]] = np.nan
    frame["label_end_21d"] = pd.Series(pd.NaT, index=frame.index).astype("datetime64[us]")
    require_conformity(frame, load_contract("Labels"), origin="frame")
    scores = cv_scores().assign(value=np.nan)
    require_conformity(scores, load_contract("CVScores"), origin="frame")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 5000.0, -1e300])
def test_wild_predictions_are_the_business_of_the_checks(value):
    frame = with_value(oof_predictions(), "prediction", 1, value)
    require_conformity(frame, load_contract("OOFPredictions"), origin="frame")


def test_repeated_key_is_named():
    frame = market_data().iloc[[0, 1, 1, 2]]
    message = refusal(frame, "MarketData")
    assert message == (
        "repeats the key of an earlier row (MarketData): first at row 2 "
        "(instrument=A, datetime=2024-01-03), 1 rows in all"
    )


def test_repeated_key_with_a_missing_part_is_named():
    scores = cv_scores()
    twice = pd.concat([scores, scores.tail(1)], ignore_index=True)
    message = refusal(twice, "CVScores")
    assert message.startswith("repeats the key of an earlier row (CVScores): first at row 6 ")
    assert "scope=all, fold_id=<NA>, split_id=<NA>, path_id=<NA>, metric=r2" in message


@pytest.mark.parametrize(
    ("contract", "rows", "first"),
    [
        ("MarketData", [0, 2, 1], "row 2 (instrument=A, datetime=2024-01-03)"),
        ("MarketData", [1, 2, 0], "row 2 (instrument=B, datetime=2024-01-02)"),
        ("OOFPredictions", [1, 0, 2], "row 1 (instrument=A, datetime=2024-01-03)"),
        ("OOFPredictions", [0, 2, 1], "row 2 (instrument=B, datetime=2024-01-02)"),
    ],
)
def test_first_row_out_of_order_is_named(contract, rows, first):
    message = refusal(sample_table(contract).iloc[rows], contract)
    order = ", ".join(load_contract(contract).order)
    assert (
        message == f"breaks the order {order}; sort the rows ({contract}): first at {first}, "
        "1 rows in all"
    )


def test_canonical_order_is_not_the_order_of_predictions():
    canonical = oof_predictions().reindex(panel_rows())
    assert not conforms(canonical, "OOFPredictions")


def test_order_of_names_is_that_of_code_points():
    names = ["Z", "a", "É", "é", "日", "😀"]
    frame = market_data().iloc[[0] * len(names)]
    frame.index = panel_index(names, ["2024-01-02"] * len(names))
    require_conformity(frame, load_contract("MarketData"), origin="frame")
    assert not conforms(frame.iloc[::-1], "MarketData")


ORACLE_CONTRACTS = ("CVScores", "MarketData", "Labels", "CVSplits", "FeatureImportance")
ORACLE_CONTRACTS += ("OOFPredictions", "Features", "Leaderboard")
FAMILIES = {
    "Labels": ["forward_return_5d", "label_5d", "label_end_5d"],
    "CVSplits": ["split_0", "split_1"],
    "FeatureImportance": ["importance_gain_fold_0"],
    "Features": ["KMID"],
}
DATES = [pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-03"), pd.NaT]


def cells(column: Column) -> st.SearchStrategy[object]:
    """Values that keep the contract, now and then one that does not."""
    schema = column.schema
    if "enum" in schema:
        good, bad = list(schema["enum"]), ["split", ""]
    elif column.arrow_type == "string":
        good, bad = (["21d", "5d"] if "pattern" in schema else ["ridge", "x y", "é"]), ["", "d21"]
        bad = bad if "pattern" in schema or schema.get("minLength") else []
    elif column.arrow_type == "timestamp[us]":
        good, bad = DATES[:2], []
    elif column.arrow_type == "bool":
        good, bad = [True, False], []
    elif column.arrow_type.startswith("int"):
        low = schema.get("minimum", 0)
        good, bad = [low, 1, 4], [low - 1, 5]
    else:
        good, bad = [0.5, 1.0, 1e30, 2.0**-100], [0.0, -0.0, -1.0]
    missing = DATES[2] if column.arrow_type == "timestamp[us]" else None
    weighted = [st.sampled_from(good)] * 9 + [st.sampled_from([*bad, missing])]
    return st.one_of(weighted)


PANDAS_TYPES = {
    "string": "str",
    "timestamp[us]": "datetime64[us]",
    "double": "float64",
    "float": "float32",
    "bool": "boolean",
    "int8": "Int8",
    "int16": "Int16",
}


@st.composite
def tables(draw: st.DrawFn, name: str) -> pd.DataFrame:
    contract = load_contract(name)
    described = contract.described(FAMILIES.get(name, []))
    rows = draw(st.integers(1, 3))
    frame = pd.DataFrame(
        {
            column_name: pd.Series(
                draw(st.lists(cells(column), min_size=rows, max_size=rows)),
                dtype=object,
            ).astype(PANDAS_TYPES[column.arrow_type])
            for column_name, column in described
        }
    )
    if contract.order and draw(st.booleans()):
        frame = frame.sort_values(list(contract.order), ignore_index=True)
    return frame


def as_json(value: object) -> object:
    if value is None or pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def oracle(frame: pd.DataFrame, name: str) -> bool:
    """Judge every row by jsonschema, and key and order by plain Python."""
    contract = load_contract(name)
    validator = jsonschema.Draft202012Validator(contract.schema)
    documents = [
        {column: as_json(value) for column, value in zip(frame.columns, row, strict=True)}
        for row in frame.itertuples(index=False, name=None)
    ]
    if not all(validator.is_valid(document) for document in documents):
        return False
    keys = [tuple(document[column] for column in contract.key) for document in documents]
    order = [tuple(document[column] for column in contract.order) for document in documents]
    return len(set(keys)) == len(keys) and order == sorted(order)


@pytest.mark.parametrize("name", ORACLE_CONTRACTS)
def test_verdict_is_that_of_jsonschema_row_by_row(name):
    verdicts = set()

    @settings(deadline=None, derandomize=True, max_examples=60)
    @given(tables(name))
    def agree(frame):
        expected = oracle(frame, name)
        if name == "OOFPredictions" and frame["prediction"].isna().any():
            event("a missing prediction is left to the checks")
            frame = frame.assign(prediction=frame["prediction"].fillna(0.0))
            expected = oracle(frame, name)
        verdicts.add(expected)
        assert conforms(frame, name) == expected

    agree()
    assert verdicts == {True, False}

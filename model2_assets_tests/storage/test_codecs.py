import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.contracts import load_contract
from model2_assets.errors import ContractError, Model2Error, StoreError
from model2_assets.panel import panel_index
from model2_assets.storage.codecs import decode_json_lines, encode_json_lines
from model2_assets.storage.data_version import facts_of, table_digest, with_provenance
from model2_assets.storage.parquet import encode_anything, read_parquet, write_parquet
from model2_assets_tests.sample_tables import (
    CONTRACTS,
    cv_scores,
    labels,
    oof_predictions,
    sample_table,
)

OOF = load_contract("OOFPredictions")
SCORES = load_contract("CVScores")


def encoded(frame: pd.DataFrame, contract: str = "OOFPredictions") -> bytes:
    buffer = io.BytesIO()
    write_parquet(frame, load_contract(contract), buffer, origin="there", name="us/there")
    return buffer.getvalue()


def decoded(data: bytes, contract: str = "OOFPredictions") -> pd.DataFrame:
    return read_parquet(io.BytesIO(data), load_contract(contract), origin="there")


def bits(values: pd.Series) -> list[int]:
    return values.to_numpy().view({4: np.uint32, 8: np.uint64}[values.dtype.itemsize]).tolist()


@pytest.mark.parametrize("name", CONTRACTS)
def test_round_trip_keeps_values_types_index_and_column_order(name):
    frame = sample_table(name)
    back = decoded(encoded(frame, name), name)
    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_flags=True)
    assert list(back.index.names) == list(frame.index.names)
    assert table_digest(back) == table_digest(frame)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.floats(width=64, allow_nan=True), min_size=1, max_size=8))
def test_round_trip_keeps_every_bit_of_a_prediction(values):
    index = panel_index([f"S{i}" for i in range(len(values))], ["2024-01-02"] * len(values))
    columns = {"prediction": np.array(values), "fold_id": np.zeros(len(values), dtype=np.int16)}
    frame = pd.DataFrame(columns, index=index)
    back = decoded(encoded(frame))
    finite = frame["prediction"].notna()
    assert bits(back["prediction"][finite]) == bits(frame["prediction"][finite])
    assert (back["prediction"].isna() == ~finite).all()


def test_round_trip_keeps_the_sign_of_zero():
    back = decoded(encoded(oof_predictions(prediction=(-0.0, 0.0, -1e-320))))
    assert np.signbit(back["prediction"].to_numpy()).tolist() == [True, False, True]
    assert back["prediction"].iloc[2] == -1e-320


@pytest.mark.parametrize("name", ["Labels", "OOFPredictions", "Features"])
def test_plain_pandas_restores_the_index(name):
    frame = sample_table(name)
    back = pd.read_parquet(io.BytesIO(encoded(frame, name)))
    pd.testing.assert_frame_equal(back, frame, check_exact=True)


def test_fields_carry_units_and_descriptions_on_disk():
    schema = pq.read_schema(io.BytesIO(encoded(labels(), "Labels")))
    found = {field.name: (str(field.type), field.metadata[b"unit"].decode()) for field in schema}
    assert found == {
        "forward_return_21d": ("double", "bps"),
        "label_21d": ("double", "bps"),
        "label_end_21d": ("timestamp[us]", "date"),
        "instrument": ("string", "name"),
        "datetime": ("timestamp[us]", "date"),
    }
    described = schema.field("label_21d").metadata[b"description"].decode()
    assert described.startswith("Forward return in excess of the date's mean")


def test_file_names_its_contract_and_its_place():
    metadata = pq.read_schema(io.BytesIO(encoded(oof_predictions()))).metadata
    document = json.loads(metadata[b"model2"])
    assert document == {
        "contract": "urn:model2_assets:contract:OOFPredictions:1",
        "name": "us/there",
        "provenance": {},
    }


def test_missing_values_are_nulls_on_disk_where_the_contract_allows_them():
    table = pq.read_table(io.BytesIO(encoded(labels(), "Labels")))
    assert table.column("label_21d").null_count == 1
    assert table.column("label_end_21d").null_count == 1


def test_provenance_travels_in_the_file_and_leaves_the_frame_alone():
    facts = {"horizon": "21d", "difference": 0.0, "nested": {"ä": [1, None]}}
    frame = with_provenance(oof_predictions(), data_version="v1", inputs={"labels": "a"}, **facts)
    before = dict(frame.attrs)
    back = decoded(encoded(frame))
    assert facts_of(back) == {"data_version": "v1", "inputs": {"labels": "a"}, **facts}
    assert frame.attrs == before


def test_table_without_provenance_has_none_after_reading():
    assert decoded(encoded(oof_predictions())).attrs == {"provenance": {}}


def test_same_table_gives_the_same_file():
    assert encoded(oof_predictions()) == encoded(oof_predictions())


@pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.99])
def test_truncated_file_is_refused_by_name(share):
    data = encoded(oof_predictions())
    with pytest.raises(StoreError, match=r"^there: not a readable Parquet file .*materialize"):
        decoded(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    "data", [b"", b"PAR1", b"PAR1PAR1", b"instrument,datetime\nA,2024-01-02\n", b"\x00" * 500]
)
def test_other_files_are_refused_by_name(data):
    with pytest.raises(StoreError, match=r"^there: not a readable Parquet file"):
        decoded(data)


def test_file_that_others_wrote_states_nothing():
    buffer = io.BytesIO()
    oof_predictions().to_parquet(buffer)
    back = decoded(buffer.getvalue())
    pd.testing.assert_frame_equal(back, oof_predictions())
    assert facts_of(back) == {}


def test_file_of_another_table_is_refused_by_column():
    with pytest.raises(ContractError, match=r"^there: column 'prediction' is missing"):
        decoded(encoded(labels(), "Labels"))


def test_file_with_metadata_that_are_not_json_is_refused():
    table = pa.Table.from_pandas(oof_predictions())
    table = table.replace_schema_metadata({**table.schema.metadata, b"model2": b"{"})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    with pytest.raises(StoreError, match=r"^there: not a readable Parquet file"):
        decoded(buffer.getvalue())


def test_table_that_breaks_its_contract_is_not_encoded():
    with pytest.raises(ContractError, match=r"^there: column 'prediction' is float32"):
        encoded(oof_predictions().astype({"prediction": "float32"}))


@pytest.mark.parametrize(
    "frame",
    [
        oof_predictions().assign(score="high"),
        oof_predictions().iloc[[0, 0, 0]],
        labels().drop(columns="label_21d"),
    ],
    ids=["unknown column", "repeated rows", "another table"],
)
def test_rejected_tables_are_kept_as_they_are(frame):
    back = pd.read_parquet(io.BytesIO(encode_anything(frame)))
    pd.testing.assert_frame_equal(back, frame)


def test_rejected_table_that_parquet_cannot_hold_is_kept_as_text():
    mixed = pd.Series(["high", 1, None], index=oof_predictions().index, dtype=object)
    frame = oof_predictions().assign(score=mixed)
    back = pd.read_parquet(io.BytesIO(encode_anything(frame)))
    assert back["score"].iloc[:2].tolist() == ["high", "1"]
    assert back["instrument"].tolist() == ["A", "B", "B"]
    assert back["prediction"].tolist() == ["1.5", "-2.5", "3.25"]


def test_rejected_table_keeps_no_attributes_and_loses_none_of_its_own():
    frame = oof_predictions()
    frame.attrs = {"provenance": {"data_version": object()}}
    encode_anything(frame)
    assert set(frame.attrs) == {"provenance"}


def lines_of(frame: pd.DataFrame) -> bytes:
    return encode_json_lines(frame, SCORES, origin="there")


def scores_of(data: bytes) -> pd.DataFrame:
    return decode_json_lines(data, SCORES, origin="there")


def test_json_lines_are_one_document_a_score():
    frame = cv_scores((0,), metrics=("rank_ic",)).assign(value=[0.25, np.nan])
    assert lines_of(frame).decode().splitlines() == [
        '{"model": "ridge", "horizon": "21d", "scope": "fold", "fold_id": 0, '
        '"split_id": null, "path_id": null, "metric": "rank_ic", "value": 0.25}',
        '{"model": "ridge", "horizon": "21d", "scope": "all", "fold_id": null, '
        '"split_id": null, "path_id": null, "metric": "rank_ic", "value": null}',
    ]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    st.lists(st.floats(allow_infinity=False), min_size=1, max_size=6),
    st.text(min_size=1, max_size=4),
)
def test_json_lines_round_trip_to_the_bit(values, model):
    frame = cv_scores(range(len(values) - 1), model=model, metrics=("rank_ic",))
    frame["value"] = values
    back = scores_of(lines_of(frame))
    pd.testing.assert_frame_equal(back, frame, check_exact=True)
    assert bits(back["value"].dropna()) == bits(frame["value"].dropna())


def test_empty_json_lines_round_trip():
    frame = cv_scores().iloc[:0]
    assert lines_of(frame) == b""
    pd.testing.assert_frame_equal(scores_of(b""), frame, check_exact=True)


def test_columns_come_back_in_the_order_of_the_contract():
    frame = cv_scores()
    back = scores_of(lines_of(frame[frame.columns[::-1]]))
    pd.testing.assert_frame_equal(back, frame)


@pytest.mark.parametrize("model", ["a\u2028b", "a\x85b", "a\x1cb", "日本"])
def test_line_separators_inside_text_do_not_end_a_line(model):
    frame = cv_scores((0,), model=model)
    raw = "\n".join(
        json.dumps(json.loads(line), ensure_ascii=False)
        for line in lines_of(frame).decode().splitlines()
    )
    pd.testing.assert_frame_equal(scores_of(raw.encode()), frame)


GOOD = lines_of(cv_scores()).splitlines(keepends=True)


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        (b"{oops}\n", StoreError, "line 3 is not JSON"),
        (b"\n", StoreError, "line 3 is not JSON"),
        (GOOD[2][:20] + b"\n", StoreError, "line 3 is not JSON"),
        (GOOD[2].replace(b"ridge", b"rid\xffe"), StoreError, "line 3 is not JSON"),
        (b"[1, 2]\n", ContractError, "line 3: the document: .* is not of type 'object'"),
        (b"{}\n", ContractError, "line 3: the document: .* is a required property"),
        (GOOD[2].replace(b"0.125", b'"high"'), ContractError, "line 3: value: 'high' is not of"),
        (GOOD[2].replace(b"0.125", b"NaN"), ContractError, "line 3: value: nan is no JSON number"),
        (GOOD[2].replace(b"0.125", b"1e999"), ContractError, "line 3: value: inf is no JSON"),
        (GOOD[2].replace(b'"21d"', b'"21"'), ContractError, "line 3: horizon: '21' does not"),
        (GOOD[2].replace(b'"fold_id": 1', b'"fold_id": 40000'), ContractError, "fold_id: 40000"),
        (GOOD[2].replace(b"}", b', "note": 1}'), ContractError, "'note' was unexpected"),
        (GOOD[1], ContractError, "repeats the key of an earlier row"),
    ],
)
def test_bad_line_is_named(line, error, message):
    assert line != GOOD[2]
    data = b"".join([*GOOD[:2], line, *GOOD[3:]])
    with pytest.raises(error, match=message) as caught:
        scores_of(data)
    assert str(caught.value).startswith("there: ")


def test_file_that_ends_inside_a_line_is_refused():
    with pytest.raises(StoreError, match=f"line {len(GOOD)} is not JSON"):
        scores_of(b"".join(GOOD)[:-10])


def test_infinite_score_is_not_written():
    frame = cv_scores()
    frame.loc[4, "value"] = np.inf
    with pytest.raises(ContractError, match=r"^there: line 5: value: inf is no JSON number"):
        lines_of(frame)


def test_errors_are_the_users_to_mend():
    assert issubclass(StoreError, Model2Error)
    assert issubclass(ContractError, Model2Error)

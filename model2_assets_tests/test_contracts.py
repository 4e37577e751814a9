import json
import re
from pathlib import Path

import jsonschema
import pyarrow as pa
import pytest

from model2_assets.contracts import load_contract, load_schema
from model2_assets.storage import PRODUCTS
from model2_assets_tests.sample_tables import CONTRACTS

FOLDER = Path(__file__).parents[1] / "contracts"
NAMES = sorted(path.name.removesuffix(".schema.json") for path in FOLDER.glob("*.schema.json"))
TABLES = [name for name in NAMES if "x-key" in load_schema(name)]
DOCUMENTS = [name for name in NAMES if name not in TABLES]


def test_every_table_of_the_graph_has_a_contract_and_every_contract_a_table():
    tables = {product.contract for product in PRODUCTS.values() if product.contract}
    assert set(TABLES) == tables == set(CONTRACTS)


@pytest.mark.parametrize("name", TABLES)
def test_contract_is_a_valid_schema_of_its_own_draft(name):
    schema = load_contract(name).schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:model2_assets:contract:{name}:1"
    assert schema["title"] == name
    assert schema["additionalProperties"] is False
    jsonschema.Draft202012Validator.check_schema(schema)


def test_a_broken_schema_would_be_noticed():
    with pytest.raises(jsonschema.SchemaError):
        jsonschema.Draft202012Validator.check_schema({"type": "strnig"})


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_described_with_its_unit_and_type(name):
    contract = load_contract(name)
    assert contract.description.endswith(".")
    for column in (*contract.columns, *contract.patterns):
        assert column.unit, column.name
        assert column.description.endswith("."), column.name
        assert pa.type_for_alias(column.arrow_type) is not None


@pytest.mark.parametrize("name", TABLES)
def test_key_and_order_name_required_columns(name):
    contract = load_contract(name)
    required = {column.name for column in contract.columns if column.required}
    assert contract.key
    assert {*contract.key, *contract.order} <= required
    assert set(contract.order) <= set(contract.key)


JSON_TYPES = {
    "string": {"string"},
    "timestamp[us]": {"string"},
    "double": {"number"},
    "float": {"number"},
    "bool": {"boolean"},
    "int8": {"integer"},
    "int16": {"integer"},
}


@pytest.mark.parametrize("name", TABLES)
def test_json_type_agrees_with_the_type_on_disk(name):
    contract = load_contract(name)
    for column in (*contract.columns, *contract.patterns):
        types = column.schema["type"]
        types = {types} if isinstance(types, str) else set(types)
        assert types - {"null"} == JSON_TYPES[column.arrow_type], column.name
        assert column.nullable == ("null" in types), column.name


@pytest.mark.parametrize("name", TABLES)
def test_integers_are_limited_to_what_their_type_on_disk_holds(name):
    contract = load_contract(name)
    largest = {"int8": 2**7 - 1, "int16": 2**15 - 1}
    for column in (*contract.columns, *contract.patterns):
        if column.arrow_type in largest:
            assert column.schema["maximum"] <= largest[column.arrow_type], column.name
            assert column.schema["minimum"] >= -1, column.name


@pytest.mark.parametrize(
    ("contract", "name", "unit"),
    [
        ("OOFPredictions", "prediction", "bps"),
        ("Labels", "forward_return_21d", "bps"),
        ("Labels", "label_5d", "bps"),
        ("Labels", "label_end_63d", "date"),
        ("CVSplits", "split_12", "role"),
        ("FeatureImportance", "importance_gain_fold_0", "as its mean"),
        ("FeatureImportance", "importance_coefficient", "bps"),
        ("MarketData", "volume", "shares"),
    ],
)
def test_column_is_found_by_name_or_pattern(contract, name, unit):
    assert load_contract(contract).column(name).unit == unit


@pytest.mark.parametrize(
    ("contract", "name"),
    [
        ("OOFPredictions", "Prediction"),
        ("Labels", "label_d"),
        ("Labels", "label_end_21"),
        ("CVSplits", "split_"),
        ("Features", "has space"),
        ("MarketData", "turnover"),
    ],
)
def test_other_names_are_not_columns(contract, name):
    assert load_contract(contract).column(name) is None


def test_described_gives_fixed_columns_then_the_given_others():
    described = load_contract("CVSplits").described(["split_1", "split_0", "unheard_of"])
    names = [name for name, _ in described]
    assert names == ["instrument", "datetime", "group_id", "split_1", "split_0"]
    assert {column.arrow_type for name, column in described if name.startswith("split")} == {"int8"}


def test_prediction_limits_are_annotations_not_limits():
    schema = load_contract("OOFPredictions").schema["properties"]["prediction"]
    assert schema["x-checks"]["finite"] is True
    assert "1000" in schema["x-checks"]["absolute-maximum"]
    assert not {"minimum", "maximum"} & set(schema)


@pytest.mark.parametrize("name", ["OOFPredictions", "StackingFrame", "CVScores", "Leaderboard"])
def test_products_say_what_their_values_may_not_be_used_for(name):
    text = json.dumps(load_contract(name).schema)
    stacked = name in ("OOFPredictions", "StackingFrame")
    wanted = "nested or walk-forward" if stacked else "never a backtest"
    assert wanted in text


def test_unknown_contract_is_a_missing_file():
    with pytest.raises(FileNotFoundError, match=re.escape("Unheard.schema.json")):
        load_contract("Unheard")


def test_files_in_the_checkout_are_the_contracts_that_are_loaded():
    for name in NAMES:
        text = (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
        assert json.loads(text) == load_schema(name)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_schema_of_a_document_is_valid_and_allows_nothing_else(name):
    schema = load_schema(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:model2_assets:contract:{name}:1"
    assert schema["title"] == name
    assert schema["additionalProperties"] is False
    assert schema["description"].endswith(".")
    jsonschema.Draft202012Validator.check_schema(schema)


def test_documents_are_no_tables():
    assert "GateSummary" in DOCUMENTS


@pytest.mark.parametrize("name", TABLES)
def test_families_do_not_reach_fixed_columns(name):
    contract = load_contract(name)
    for family in contract.patterns:
        for column in contract.columns:
            assert not re.search(family.name, column.name), (family.name, column.name)

"""The catalogue: every bad input, with what must come of it."""

from model2_assets_tests.bad_inputs import (
    builder_cases,
    config_cases,
    csv_cases,
    extra_cases,
    layout_cases,
    panel_cases,
    parquet_cases,
    path_cases,
    store_cases,
)

CASES = (
    *config_cases.CASES,
    *path_cases.CASES,
    *csv_cases.CASES,
    *layout_cases.CASES,
    *parquet_cases.CASES,
    *panel_cases.CASES,
    *builder_cases.CASES,
    *extra_cases.CASES,
    *store_cases.CASES,
)

# ruff: noqa: RUF001 -- letters that look like others are what is tested
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model2_assets.config import parse_config
from model2_assets.config.partition import is_horizon, is_name
from model2_assets.errors import ConfigError, StoreError
from model2_assets.storage import PRODUCTS, Address, Store

HOSTILE = (
    "..", ".", "", " us", "us ", "us\n", "us\x00", "u/s", "u\\s", "../us", "/etc", "~", "~root",
    "us.", "C:", "us:stream", ".versions", ".rejected", "US", "uS", "con", "nul", "com1", "lpt9",
    "a" * 41, "1us", "_us", "-us", "us-east", "u*", "u?", "$HOME", "%2e%2e", "us%00",
    "ｕｓ", "uѕ", "us\u200b", "us\u202e", "us１", "u\u0301s", "ı", "ﬁ",
)  # fmt: skip
PLACES = ("region", "asset", "model")


def named(place: str, name: str) -> Address:
    return Address(**{"region": "us", "asset": "labels", place: name})


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_is_refused_by_addresses(place: str, name: str) -> None:
    with pytest.raises(StoreError, match=rf"^{place} '.*' is no name; a name is up to 40 lower-"):
        named(place, name)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_is_refused_by_the_configuration(name: str) -> None:
    models = {name: {"trainer": "model2_assets.training:RidgeTrainer"}}
    for values in ({"regions": {name: {}}}, {"models": models}):
        with pytest.raises(ConfigError, match="a name is up to 40 lower-case letters, digits"):
            parse_config(values)


NO_HORIZONS = ("", "d", "21", "021d", "-1d", "21D", "21d\n", "../21d", "２１d", "1e3d", "12345d")


@pytest.mark.parametrize("key", NO_HORIZONS)
def test_hostile_horizon_is_refused(key: str) -> None:
    with pytest.raises(StoreError, match=r"is not of the form 21d$"):
        Address("us", "oof_predictions", key, "ridge")


@given(region=st.text(max_size=50), model=st.text(max_size=50), horizon=st.text(max_size=8))
def test_no_text_leads_out_of_the_base_path(region: str, model: str, horizon: str) -> None:
    assert_inside(region, model, horizon)


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True)


@given(region=NAMES, model=NAMES, horizon=st.integers(1, 2520).map("{}d".format))
def test_a_path_has_as_many_folders_as_its_address_has_names(
    region: str, model: str, horizon: str
) -> None:
    assert_inside(region, model, horizon)


def assert_inside(region: str, model: str, horizon: str) -> None:
    base = Path("/base")
    for asset in PRODUCTS:
        try:
            address = Address(region, asset, horizon, model)
        except StoreError:
            assert not (is_name(region) and is_name(model) and is_horizon(horizon))
            continue
        store = Store("/base")
        for path in (store.path(address), store.archive.folder(address)):
            resolved = Path(str(path)).resolve()
            assert resolved.is_relative_to(base)
            assert len(resolved.relative_to(base).parts) in (4, 5)
            assert all(len(part) <= 60 and part == part.lower() for part in resolved.parts)


def test_names_that_differ_in_case_alone_do_not_exist() -> None:
    assert not any(is_name(name.upper()) for name in ("us", "ridge", "a1_b"))

import resource

import pytest

from model2_assets.errors import ConfigError
from model2_assets.training.resources import LEAST_BYTES, require_address_space


def limited_to(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, resource.RLIM_INFINITY))


@pytest.mark.parametrize("limit", [resource.RLIM_INFINITY, LEAST_BYTES])
def test_no_limit_or_a_wide_one_is_fine(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    limited_to(monkeypatch, limit)
    require_address_space()


def test_a_narrow_limit_is_refused_with_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    limited_to(monkeypatch, 3_100_000_000)
    with pytest.raises(ConfigError) as refusal:
        require_address_space()
    assert str(refusal.value) == (
        "the address space of this process is limited to 3.1 GB (ulimit -v), and a retrain maps "
        "4 GB, most of which it never uses; raise the limit, and limit memory by a control group "
        "or execution.max_rss_gb instead"
    )

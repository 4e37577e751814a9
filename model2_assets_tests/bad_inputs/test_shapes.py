"""Markets as they are: each goes down the graph, or is refused with its reason."""

import pytest

from model2_assets_tests.bad_inputs.case import Case, Handled, Refused, region_config
from model2_assets_tests.bad_inputs.folders import open_folder
from model2_assets_tests.bad_inputs.runner import run
from model2_assets_tests.bad_inputs.shapes import REGION, SHAPES, Shape


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_shape_runs_or_is_refused_with_reason(shape: Shape):
    case = Case(
        id=shape.name,
        planted=shape.name,
        enters="bars",
        files={"bars.parquet": shape.bars()},
        config=region_config({"source": "parquet", "path": "{folder}/bars.parquet"}, **REGION),
        outcome=Refused(shape.refusal) if shape.refusal else Handled(shape.counts),
        until="splits",
    )
    with open_folder() as folder:
        found = run(case, folder)
    assert found.problems == ()
    if shape.refusal:
        assert isinstance(found.outcome, Refused)
        assert found.outcome.message.endswith(shape.refusal)
    else:
        assert isinstance(found.outcome, Handled), found.outcome
        assert {name: found.outcome.counts[name] for name in shape.counts} == shape.counts

import doctest

from model2_assets import stacking as _nonnegative


def test_docstring_examples():
    found = doctest.testmod(_nonnegative)
    assert found.attempted > 0
    assert found.failed == 0

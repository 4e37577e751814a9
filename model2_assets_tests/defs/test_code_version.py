"""What a code version sees of code: what it does."""

from pathlib import Path

import pytest

from model2_assets.defs import code_version as module
from model2_assets.defs.code_version import code_version, what_it_does

SOURCE = '''
"""Of the module."""
LIMIT = 3
"""Of the attribute."""

class Example:
    """Of the class."""

    def method(self):
        """Of the method."""
        return "kept"  # a comment
'''


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [
        ("Of the module.", "Another.", False),
        ("Of the attribute.", "Another.", False),
        ("Of the class.", "Another.", False),
        ("Of the method.", "Another.", False),
        ("  # a comment", "", False),
        ("LIMIT = 3", "LIMIT = (\n    3\n)", False),
        ("LIMIT = 3", "LIMIT = 4", True),
        ('"kept"', '"changed"', True),
    ],
)
def test_docstrings_comments_and_layout_are_not_what_code_does(
    old: str, new: str, moves: bool
) -> None:
    edited = SOURCE.replace(old, new)

    assert edited != SOURCE
    assert (what_it_does(edited.encode()) != what_it_does(SOURCE.encode())) == moves


def test_the_module_of_a_trainer_of_ones_own_counts_by_what_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = {"trainer": "own_trainer_of_a_test:Trainer"}

    def version_of(source: str) -> str:
        (tmp_path / "own_trainer_of_a_test.py").write_text(source, encoding="utf-8")
        module._file_digest.cache_clear()
        return code_version((), settings)

    plain = version_of("class Trainer:\n    pass\n")

    assert version_of('class Trainer:\n    """Explained."""\n    pass\n') == plain
    assert version_of("class Trainer:\n    alpha = 1\n") != plain
    assert version_of("class Trainer:\n    pass\n") == plain
    assert version_of("this is no Python") not in ("", plain)

"""Digests of code: what it does, not how it is commented."""

import ast
import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from model2_assets.storage.record import document_digest

_PACKAGE = Path(__file__).parents[1]
_IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

_SOURCE_SUFFIXES = (".py", ".j2", ".css")
"""Code, templates of reports and their style."""


def code_version(sources: Iterable[str], settings: Any) -> str:
    """Digest code with the settings that it is given, as 12 hexadecimal digits.

    Comments, docstrings and layout do not count.

    Parameters
    ----------
    sources : iterable of str
        Files and folders of this package, relative to it.
    settings : JSON-able
        Modules of a team's own code that these name by an import path count as sources.
    """
    return document_digest(
        {
            "sources": {source: _source_digest(source) for source in sources},
            "settings": settings,
            "plugged_in": {path: _module_digest(path) for path in sorted(_import_paths(settings))},
        }
    )[:12]


def _import_paths(settings: Any) -> set[str]:
    """Return the import paths of a user's own code among the settings."""
    if isinstance(settings, dict | list):
        values = settings.values() if isinstance(settings, dict) else settings
        return set().union(*map(_import_paths, values))
    if not isinstance(settings, str) or settings.startswith("model2_assets."):
        return set()
    return {settings} if _IMPORT_PATH.fullmatch(settings) else set()


def _module_digest(path: str) -> str:
    """Digest the module of an import path; empty where its source cannot be found."""
    try:
        spec = find_spec(path.partition(":")[0])
        return _file_digest(Path(spec.origin)) if spec is not None and spec.origin else ""
    except (ImportError, ValueError, OSError):
        return ""


def _source_digest(source: str) -> str:
    path = _PACKAGE / source
    below = (file for file in path.rglob("*") if file.suffix in _SOURCE_SUFFIXES)
    files = sorted(below) if path.is_dir() else [path]
    return document_digest({f.relative_to(_PACKAGE).as_posix(): _file_digest(f) for f in files})


@cache
def _file_digest(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".py":
        with suppress(SyntaxError):  # whoever imports it is told
            content = what_it_does(content).encode()
    return hashlib.sha256(content).hexdigest()


def what_it_does(source: bytes) -> str:
    """Return the syntax tree of a module, as text, without docstrings and positions."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [each for each in node.body if not _is_docstring(each)]
    return ast.dump(tree)


def _is_docstring(node: ast.stmt) -> bool:
    """Tell whether a statement is a string alone: of a module, class, function or attribute."""
    is_constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_constant and isinstance(node.value.value, str)  # type: ignore[attr-defined]

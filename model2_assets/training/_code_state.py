"""Which code a trainer runs: its sources, ours, and everything installed."""

import hashlib
import platform
import site
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from types import FunctionType, ModuleType

from model2_assets.data_version import document_digest

_OURS = __name__.partition(".")[0]

_CODE_SUFFIXES = {".py", ".so", ".pyd"}


def code_on_disk(trainer_class: type) -> str | None:
    """Digest everything that a trainer's fits depend on besides data and settings.

    That is every file of code of this package, and of every package or module outside of the
    installed ones that the trainer's class derives from, or whose functions, classes and
    modules these have among their global names; the content of every installed
    distribution, as its list of files (``RECORD``) states it; and Python itself.

    Parameters
    ----------
    trainer_class : type
        An imported trainer.

    Returns
    -------
    str or None
        Equal for equal code. None where a source cannot be found or read, as for a class of an
        interactive session.

    Notes
    -----
    What code imports within a function, from a module of its own outside of its package, is
    not seen.
    """
    try:
        sources = {
            package: _digest_files(sorted(_files_of(package)))
            for package in sorted({_OURS, *_own_packages(trainer_class)})
        }
    except OSError:
        return None
    if None in sources.values():
        return None
    python = [sys.implementation.name, sys.version, platform.machine()]
    return document_digest({"sources": sources, "installed": _installed(), "python": python})


@cache
def loaded_code(trainer_class: type) -> str | None:
    """Return `code_on_disk` as it was when this was first asked in this process.

    Asked for as soon as a trainer is imported, it tells what runs from what has been edited or
    installed since.
    """
    return code_on_disk(trainer_class)


def _own_packages(trainer_class: type) -> set[str]:
    """Return the top-level names of all code outside of the installed that a class uses."""
    modules = {ancestor.__module__ for ancestor in trainer_class.__mro__}
    own = {name for name in modules if not _is_installed(name)}
    found, unread = set(own), list(own)
    while unread:
        reached = {name for name in _modules_named_in(unread.pop()) if not _is_installed(name)}
        unread.extend(reached - found)
        found |= reached
    return {name.partition(".")[0] for name in found}


def _modules_named_in(module_name: str) -> Iterator[str]:
    """Yield the modules behind the global names of a loaded module; ours are read as a whole."""
    module = sys.modules.get(module_name)
    if module is None or module_name.partition(".")[0] == _OURS:
        return
    for value in list(vars(module).values()):
        is_module = isinstance(value, ModuleType)
        if is_module or isinstance(value, type | FunctionType):
            name = value.__name__ if is_module else value.__module__
            if isinstance(name, str):
                yield name


def _is_installed(module_name: str) -> bool:
    """Tell whether a module belongs to Python or to an installed distribution."""
    if module_name.partition(".")[0] in sys.stdlib_module_names - {"__main__"}:
        return True
    file = getattr(sys.modules.get(module_name), "__file__", None)
    return file is not None and any(Path(file).is_relative_to(path) for path in _installed_paths())


@cache
def _installed_paths() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    paths = {sysconfig.get_path(name) for name in names}
    return tuple(map(Path, {*paths, *site.getsitepackages(), site.getusersitepackages()}))


def _files_of(package: str) -> Iterator[Path]:
    module = sys.modules.get(package)
    for folder in getattr(module, "__path__", ()):
        files = (path for path in Path(folder).rglob("*") if path.suffix in _CODE_SUFFIXES)
        # An editor's lock is a link to no file.
        yield from (path for path in files if path.is_file())
    file = getattr(module, "__file__", None)
    if file is not None and not hasattr(module, "__path__"):
        yield Path(file)


def _digest_files(files: list[Path]) -> str | None:
    """Digest names and contents; None of no file."""
    if not files:
        return None
    digest = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file}\n{content}\n".encode())
    return digest.hexdigest()


def _installed() -> list[str]:
    """Digest what every installed distribution has installed: names, hashes, versions."""
    contents = {
        distribution.read_text("RECORD") or distribution.read_text("METADATA") or ""
        for distribution in metadata.distributions()
    }
    return sorted(hashlib.sha256(content.encode()).hexdigest() for content in contents)

"""Addons out of files: those that are installed, by name, and scripts, by path.

Owns what a person is told when one does not load: file, line and reason. Calls no hook.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from rama_proxy.errors import AddonError

PACKAGE = "rama_addons"


def load_addons(names: Sequence[str]) -> list[object]:
    """The installed addons called `names`, in that order. Raises AddonError."""
    return [_installed(name) for name in names]


def load_script(path: Path) -> object:
    """The script at `path` as a new module, whatever was loaded from there before.

    Its hooks are functions of the module, or of the objects in its list `addons`. It may import
    files beside it, which are read anew too. Raises AddonError; the module loaded before then stays
    as it is.
    """
    path = path.absolute()
    try:
        code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except OSError as error:
        raise AddonError(f"{path}: {error.strerror or error}") from error
    except (SyntaxError, ValueError) as error:
        raise _problem(path, error) from error
    module = ModuleType(_module_name(path))
    module.__file__ = str(path)
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module  # dataclasses and pickle look their module up
    try:
        with _neighbours(path.parent):
            exec(code, vars(module))  # noqa: S102  running the script is the purpose
    except (Exception, SystemExit) as error:
        _restore(module.__name__, before)
        raise _problem(path, error) from error
    listed = getattr(module, "addons", None)
    if listed is not None and not isinstance(listed, list | tuple | ModuleType):
        _restore(module.__name__, before)
        raise AddonError(f"{path}: addons is a {type(listed).__name__}, not a list")
    return module


def installed_names() -> list[str]:
    """The names that `load_addons` knows."""
    try:
        package = importlib.import_module(PACKAGE)
    except ModuleNotFoundError:
        return []
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def _installed(name: str) -> object:
    full_name = f"{PACKAGE}.{name}"
    try:
        return importlib.import_module(full_name)
    except ModuleNotFoundError as error:
        if error.name and full_name.startswith(error.name):
            known = ", ".join(installed_names()) or f"none, {PACKAGE} is not installed"
            raise AddonError(f"no addon is called {name!r}; there are: {known}") from error
        raise AddonError(f"addon {name}: {_reason(error)}") from error
    except Exception as error:
        raise AddonError(f"addon {name}: {_reason(error)}") from error


def _module_name(path: Path) -> str:
    """A name that no other script's module has; logs show its last part."""
    digest = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()
    return f"rama_script_{digest[:8]}.{path.stem}"


@contextmanager
def _neighbours(folder: Path) -> Iterator[None]:
    """Let a script import the files in `folder` first, as Python does, and as they are right now.

    Those imported are the script's own: the next one may have others of the same names. What a
    hook imports later is looked for there last.
    """
    _forget(folder)
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        _forget(folder)


def _forget(folder: Path) -> None:
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and "." not in name and name != "__main__" and Path(file).parent == folder:
            del sys.modules[name]


def _restore(name: str, before: ModuleType | None) -> None:
    if before is None:
        del sys.modules[name]
    else:
        sys.modules[name] = before


def _problem(path: Path, error: BaseException) -> AddonError:
    """`file:line: reason`, with the line of the script, and the place in its neighbour if there."""
    places = [
        (frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        places.append((error.filename, error.lineno))
    own = [line for file, line in places if file == str(path)]
    near = [f"{file}:{line}" for file, line in places if Path(file).parent == path.parent]
    where = f"{path}:{own[-1]}" if own else str(path)
    inside = f" (in {near[-1]})" if near and near[-1] != where else ""
    return AddonError(f"{where}: {_reason(error)}{inside}")


def _reason(error: BaseException) -> str:
    """The kind of `error` and what it says, in one line."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(text.split())}".removesuffix(": ")

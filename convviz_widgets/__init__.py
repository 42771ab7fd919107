"""Look inside a trained convolutional network from a notebook.

``import convviz_widgets as cv`` loads no torch; each public name loads what it needs when it is first used.
"""

from importlib import import_module
from typing import Any

from convviz_widgets.catalog import BY_NAME
from convviz_widgets.core.errors import unknown_name

__version__ = "0.1.0"
__all__ = [*BY_NAME, "__version__"]  # noqa: PLE0604 -- the names are strings, of the catalog


def __getattr__(name: str) -> Any:
    if name.startswith("_"):  # Python asks for such names on its own, and expects this plain error
        raise AttributeError(name)
    if name not in BY_NAME:
        raise AttributeError(str(unknown_name("name", name, BY_NAME, "`dir(convviz_widgets)` lists them all.")))
    row = BY_NAME[name]
    value = getattr(import_module(row.module), row.attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

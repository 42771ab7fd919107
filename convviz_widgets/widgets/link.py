"""Ties the choices of several widgets: what is picked in one is picked in all."""

import threading
from typing import Any

from convviz_widgets.core.errors import BadValue

TRAITS = ("unit", "image", "region", "concept")


class Link:
    """A tie between widgets, made by `link`."""

    def __init__(self, widgets: tuple[Any, ...], names: tuple[str, ...]) -> None:
        self.widgets, self.names = widgets, names
        self._passing = threading.local()
        for widget in widgets:
            widget.observe(self._pass_on, names=[name for name in names if widget.has_trait(name)])

    def unlink(self) -> None:
        """Lets each widget go its own way again."""
        for widget in self.widgets:
            widget.unobserve(self._pass_on, names=[name for name in self.names if widget.has_trait(name)])

    def _pass_on(self, change: Any) -> None:
        if getattr(self._passing, "under_way", False):
            return
        self._passing.under_way = True
        try:
            for widget in self.widgets:
                if widget is not change.owner and widget.has_trait(change.name):
                    self._set(widget, change)
        finally:
            self._passing.under_way = False

    @staticmethod
    def _set(widget: Any, change: Any) -> None:
        album, theirs = getattr(widget, "album", None), getattr(change.owner, "album", None)
        if change.name == "image" and album is not None and theirs is not None and change.new not in album:
            if change.new not in theirs:
                return
            widget.take(change.new, theirs[change.new])
        if getattr(widget, change.name) != change.new:
            setattr(widget, change.name, change.new)

    def __repr__(self) -> str:
        return f"Link({', '.join(type(widget).__name__ for widget in self.widgets)}: {', '.join(self.names)})"


def link(*widgets: Any, only: tuple[str, ...] | None = None) -> Link:
    """Ties the traits ``unit``, ``image``, ``region`` and ``concept`` that widgets share.

    Each is one value (a unit is one address, not a layer and a channel), so no pair that does not exist is ever passed
    on. The first widget's choices are taken over by the others.

    Example:
        >>> from convviz_widgets.lens.lens import Lens
        >>> from convviz_widgets.widgets.layer_picker import LayerPicker
        >>> import numpy as np
        >>> lens, images = Lens.load("mini"), [np.zeros((96, 96, 3), np.uint8)]
        >>> first, second = LayerPicker(lens, images), LayerPicker(lens, images)
        >>> tie = link(first, second)
        >>> first.unit = "conv2:5"
        >>> second.unit
        'conv2:5'

    Args:
        widgets: two or more.
        only: names of the traits to tie; default: all that at least two of the widgets have.

    Returns:
        The tie; its ``unlink()`` ends it.

    Raises:
        BadValue: fewer than two widgets, nothing in common, or units of different networks.
    """
    shared = tuple(name for name in only or TRAITS if sum(widget.has_trait(name) for widget in widgets) > 1)
    if len(widgets) < 2 or not shared:
        raise BadValue(f"link takes two or more widgets that share one of {TRAITS}; given: {len(widgets)} widgets.")
    modules = {id(widget.lens.module) for widget in widgets if widget.has_trait("unit") and hasattr(widget, "lens")}
    if "unit" in shared and len(modules) > 1:
        raise BadValue(
            "These widgets look into different networks, whose units have nothing to do with each other. "
            "link(..., only=('image',)) ties the picture alone."
        )
    tie = Link(widgets, shared)
    first = widgets[0]
    for name in shared:
        if first.has_trait(name) and getattr(first, name):
            first.notify_change(
                {"name": name, "old": None, "new": getattr(first, name), "owner": first, "type": "change"}
            )
    return tie

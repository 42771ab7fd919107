"""What stands between a widget and a browser that is not there."""

from typing import Any


class Wire:
    """Stands for the comm: keeps what would go down to the browser.

    Args:
        widget: whose messages these are.
        wait: whether a gesture waits until the worker has nothing more to do.
    """

    def __init__(self, widget: Any, *, wait: bool = True) -> None:
        self.widget, self.wait = widget, wait
        self.down: list[Any] = []
        widget._trait_values["comm"] = self
        self.comm_id = "wire"

    def send(self, data: Any = None, buffers: Any = None, **_: Any) -> None:
        self.down.append((data, buffers))

    def close(self, *_: Any, **__: Any) -> None:
        pass

    def gesture(self, *buffers: bytes, **message: Any) -> list[set[str]]:
        """One message up; gives the names of the traits in each message that came down for it."""
        self.down.clear()
        self.widget._receive(self.widget, message, [memoryview(each) for each in buffers])
        assert not self.wait or self.widget._worker.wait(20)
        return [set(data.get("state", {})) for data, _ in list(self.down)]

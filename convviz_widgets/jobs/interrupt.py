"""The notebook's stop button ends background work too, whether a cell is running or the kernel is idle.

An interrupt reaches a kernel as a signal to its main thread: in a cell it becomes a KeyboardInterrupt, between cells
ipykernel ignores it. Both are heard here. Outside of a kernel an interrupt is the script's own affair.
"""

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_heard = False


def on_interrupt(call: Callable[[], None]) -> None:
    """Arranges that an interrupt of this kernel calls a function; once for the process, and only in a kernel."""
    global _heard  # noqa: PLW0603 -- a process has one handler of signals
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    kernel = getattr(shell, "kernel", None)
    if _heard or shell is None or kernel is None:
        return
    _heard = True

    def after_a_cell(result: Any) -> None:
        if isinstance(result.error_in_exec, KeyboardInterrupt):
            call()

    shell.events.register("post_run_cell", after_a_cell)
    loop = getattr(kernel, "io_loop", None)
    if loop is not None:  # later, as during a cell ipykernel's own handler stands in
        loop.add_callback(_listen_while_idle, call)


def _listen_while_idle(call: Callable[[], None]) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGINT)

    def heard(number: int, frame: FrameType | None) -> None:
        call()
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGINT, heard)

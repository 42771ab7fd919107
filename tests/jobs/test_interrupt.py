"""The stop button of a notebook ends background work, in a real kernel."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.manager import KernelManager, start_new_kernel

WORK = """
import time
from convviz_widgets.core.step import Step
from convviz_widgets.jobs.worker import Worker

def steps():
    for index in range(1, 100_000):
        time.sleep(0.02)
        yield Step(index)

worker = Worker()
job = worker.submit(steps)
"""


@pytest.fixture
def kernel() -> Iterator[tuple[KernelManager, Any]]:
    manager, client = start_new_kernel()
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def said(client: Any, code: str) -> str:
    """What a cell prints."""
    texts: list[str] = []
    client.execute_interactive(code, timeout=60, output_hook=lambda message: texts.append(_text(message)))
    return "".join(texts).strip()


def _text(message: dict[str, Any]) -> str:
    return str(message["content"].get("text", ""))


def test_an_interrupt_of_an_idle_kernel_ends_the_work(kernel: tuple[KernelManager, Any]) -> None:
    manager, client = kernel
    said(client, WORK)
    assert said(client, "print(job.state)") in ("queued", "running")
    time.sleep(0.3)
    manager.interrupt_kernel()
    assert said(client, "print(job.wait(20), job.state)") == "True cancelled"
    assert said(client, "print(worker.submit(lambda: iter(())).wait(20))") == "True"


def test_an_interrupt_of_a_running_cell_ends_the_work(kernel: tuple[KernelManager, Any]) -> None:
    manager, client = kernel
    said(client, WORK)
    client.execute("time.sleep(60)", stop_on_error=False)
    time.sleep(1.5)
    manager.interrupt_kernel()
    assert said(client, "print(job.wait(20), job.state)") == "True cancelled"

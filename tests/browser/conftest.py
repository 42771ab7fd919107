"""JupyterLab in headless Chromium. A failed test leaves a picture: ``--screenshot only-on-failure --output DIR``."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect

from tests.browser.jupyter import JupyterServer
from tests.browser.lab import Lab
from tests.chromium import ARGUMENTS, WAY_OUT, find

PATIENCE = 30_000  # milliseconds: a machine that does other work too may take long to answer a gesture
FOREIGN = re.compile(r"^https?://(?!127\.0\.0\.1[:/])")

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.flaky(reruns=2))  # a page that cannot keep up; the report counts it


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    path = find()
    if path is None:
        pytest.fail(WAY_OUT)
    return {**browser_type_launch_args, "executable_path": path, "args": ARGUMENTS}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    server = JupyterServer(tmp_path_factory.mktemp("jupyter"))
    server.start()
    yield server
    server.stop()
    assert server.processes() == []


@pytest.fixture(scope="module")
def kernels(server: JupyterServer) -> Iterator[None]:
    """The tests of one file share a kernel, as importing torch takes longer than most of them."""
    yield
    server.end_kernels()


@pytest.fixture
def lab(server: JupyterServer, kernels: None, new_context: Any) -> Iterator[Lab]:
    context = new_context(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce", service_workers="block")
    lab = Lab(context.new_page(), server)

    def refuse(route: Any) -> None:  # sees foreign hosts only: routing each local request would cost time
        lab.foreign.append(route.request.url)
        route.abort()

    context.route(FOREIGN, refuse)
    yield lab
    try:
        lab.forget()
    except (AssertionError, PlaywrightError):  # a kernel that hangs or a page that is gone is not for the next test
        server.end_kernels()
    assert lab.foreign == [], "the page asked for something outside this machine"
    assert lab.errors == [], "uncaught errors in the page"

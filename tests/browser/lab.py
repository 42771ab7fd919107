"""A page on one notebook in JupyterLab, driven through the application itself rather than its menus."""

from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Locator, Page

from tests.browser.jupyter import JupyterServer

FORGET = """
import ipywidgets
ipywidgets.Widget.close_all()
get_ipython().run_line_magic('reset', '-f')
"""
COUNT_MESSAGES = """() => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  window.__messages = {up: [], down: []};
  kernel.anyMessage.connect((_, {msg, direction}) => {
    if (!msg.header.msg_type.startsWith('comm_')) return;
    window.__messages[direction === 'send' ? 'up' : 'down'].push(msg.content.data?.method ?? msg.header.msg_type);
  });
}"""


class Lab:
    """A notebook in the browser.

    Args:
        page: the browser's page.
        server: where the notebook lies.
    """

    def __init__(self, page: Page, server: JupyterServer) -> None:
        self.page, self.server = page, server
        self.errors: list[str] = []
        self.foreign: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def show(self, *cells: str, name: str = "test.ipynb") -> Locator:
        """Writes a notebook of these cells, opens and runs it; gives the last cell's output."""
        self.write(name, cells)
        self.open(name)
        self.run_all()
        return self.page.locator(".jp-OutputArea-output").last

    def write(self, name: str, cells: tuple[str, ...]) -> Path:
        """A notebook of code cells in the server's folder."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.server.root / name)
        return self.server.root / name

    def open(self, name: str, timeout: float = 90_000) -> None:
        """Opens a notebook and waits for its kernel."""
        self.page.goto(f"{self.server.url}/doc/tree/{name}?reset&token={self.server.token}", timeout=timeout)
        self.page.wait_for_function("window.jupyterapp !== undefined", timeout=timeout)
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=timeout)
        self.wait_idle(timeout)

    def wait_idle(self, timeout: float = 90_000) -> None:
        """Waits until the kernel has nothing to do."""
        self.page.wait_for_function(
            """() => { const context = window.jupyterapp.shell.currentWidget?.sessionContext;
                 const kernel = context?.session?.kernel;
                 return context?.isReady && kernel?.connectionStatus === 'connected' && kernel.status === 'idle'; }""",
            timeout=timeout,
        )

    def run_all(self, timeout: float = 180_000) -> None:
        """Runs every cell; an error in one fails the test."""
        self.call("await window.jupyterapp.commands.execute('notebook:run-all-cells')", timeout=timeout)
        self.wait_idle(timeout)
        for output in self.outputs():
            assert output.get("output_type") != "error", "\n".join(output["traceback"])

    def outputs(self) -> list[dict[str, Any]]:
        """All outputs, as the notebook would be saved."""
        found: list[dict[str, Any]] = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON()
                 .cells.flatMap(cell => cell.outputs ?? [])"""
        )
        return found

    def kernel(self, code: str, timeout: float = 60_000) -> str:
        """Runs code in the notebook's kernel beside its cells; gives what it printed."""
        printed, error = self.call(
            """const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
               const request = kernel.requestExecute({code: argument, store_history: false});
               let printed = '', error = '';
               request.onIOPub = message => {
                 if (message.header.msg_type === 'stream') printed += message.content.text;
                 if (message.header.msg_type === 'error') error = message.content.traceback.join('\\n'); };
               await request.done; return [printed, error];""",
            code,
            timeout,
        )
        assert not error, error
        return str(printed).strip()

    def forget(self) -> None:
        """Closes every widget and empties the kernel's namespace, so that the next test begins anew."""
        self.kernel(FORGET, timeout=20_000)

    def count_messages(self) -> None:
        """From now on the widget messages each way are counted."""
        self.page.evaluate(COUNT_MESSAGES)

    def messages(self) -> dict[str, list[str]]:
        """The widget messages since the last call."""
        found: dict[str, list[str]] = self.page.evaluate(
            "() => { const found = window.__messages; window.__messages = {up: [], down: []};"
            " return {up: found.up.splice(0), down: found.down.splice(0)}; }"
        )
        return found

    def theme(self, name: str) -> None:
        """Changes JupyterLab's theme."""
        self.call("await window.jupyterapp.commands.execute('apputils:change-theme', {theme: argument})", name)
        light = "false" if "Dark" in name else "true"
        self.page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")

    def call(self, body: str, argument: Any = None, timeout: float = 120_000) -> Any:
        """Runs an async function in the page; unlike a bare evaluate it cannot hang for ever."""
        self.page.evaluate(
            """([body, argument]) => { window.__job = {};
               const run = new (Object.getPrototypeOf(async function () {}).constructor)('argument', body);
               run(argument).then(value => { window.__job = {done: true, value}; },
                                  error => { window.__job = {done: true, error: String(error)}; }); }""",
            [body, argument],
        )
        self.page.wait_for_function("() => window.__job.done", timeout=timeout)
        job = self.page.evaluate("() => window.__job")
        assert "error" not in job, job["error"]
        return job.get("value")

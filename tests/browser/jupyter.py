"""One JupyterLab server for the browser tests, with folders of its own, that leaves no process behind."""

import contextlib
import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SETTINGS = {  # quiet, the same each time, and with every cell in the page
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}
ARGUMENTS = [
    *("--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0"),
    *("--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly", "--LabApp.news_url="),
    *("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--ServerApp.terminals_enabled=False"),
    "--LanguageServerManager.autodetect=False",
]
OWN = ("JUPYTER", "JPY_", "PLAYWRIGHT")  # variables of the outer world that must not leak in


class JupyterServer:
    """A ``jupyter lab`` process.

    Args:
        base: folder for all it writes; notebooks lie in ``base/root``.
    """

    def __init__(self, base: Path) -> None:
        self.base, self.root, self.log = base, base / "root", base / "jupyter.log"
        self.root.mkdir(parents=True)
        settings = base / "config" / "labconfig"
        settings.mkdir(parents=True)
        (settings / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
        self.token = secrets.token_hex(16)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(OWN)},
            "JUPYTER_CONFIG_DIR": str(base / "config"),
            "JUPYTER_DATA_DIR": str(base / "data"),
            "JUPYTER_RUNTIME_DIR": str(base / "runtime"),
            "JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces"),
            "JUPYTERLAB_SETTINGS_DIR": str(base / "settings"),
            "IPYTHONDIR": str(base / "ipython"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }

    def start(self, timeout: float = 120.0) -> None:
        """Starts it and waits until it answers; a port taken in between is tried again."""
        for _ in range(3):
            self.port = _free_port()
            self.url = f"http://127.0.0.1:{self.port}"
            command = [sys.executable, "-m", "jupyterlab", *ARGUMENTS, f"--ServerApp.port={self.port}"]
            command += [f"--ServerApp.root_dir={self.root}", f"--IdentityProvider.token={self.token}"]
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    command,
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    preexec_fn=_end_with_parent,
                )
            if self._answers(timeout):
                return
            self.stop()
        raise RuntimeError("JupyterLab did not start:\n" + self.log.read_text()[-4000:])

    def api(self, path: str, method: str = "GET") -> Any:
        """Asks the server's REST interface."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method, headers=headers)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=15) as reply:
            body = reply.read()
        return json.loads(body) if body else None

    def end_kernels(self) -> None:
        """Kernels live in sessions of their own, so ending the server would miss them."""
        for kind in ("sessions", "kernels"):
            for each in self.api(kind):
                with contextlib.suppress(urllib.error.HTTPError):  # gone already
                    self.api(f"{kind}/{each['id']}", "DELETE")

    def processes(self) -> list[int]:
        """The server and its kernels: processes whose command line names our folder."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(self.base).encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid():
                    found.append(int(entry.parent.name))
            except OSError:
                pass
        return found

    def stop(self) -> None:
        """Ends the server and whatever is left of it."""
        if self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.end_kernels()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        end = time.monotonic() + 10
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.1)
        for pid in left:
            os.kill(pid, signal.SIGKILL)

    def _answers(self, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.api("status")
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
            else:
                return True
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_with_parent() -> None:
    """On Linux the server is ended also when the tests are killed and tear nothing down."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)

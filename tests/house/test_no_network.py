"""The built-in world needs no network: no socket leaves this machine on the path of the start notebook."""

import subprocess
import sys

GUARD = """
import ipaddress, sys

def guard(event, args):
    if event not in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        return
    host = args[0] if event == "socket.getaddrinfo" else args[1][0] if isinstance(args[1], tuple) else "127.0.0.1"
    host = host.decode() if isinstance(host, bytes) else host
    if host not in ("localhost", None) and not ipaddress.ip_address(host).is_loopback:
        raise RuntimeError(f"asked for {host}")

sys.addaudithook(guard)
"""
BUILT_IN = """
import convviz_widgets as cv
lens, images = cv.Lens.load("mini"), cv.MiniBroden(count=4)
lens.predict(images[0])
cv.top_images(lens, images, "conv3", k=2)
cv.LayerPicker(lens, images).close()
print("quiet")
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", GUARD + code], capture_output=True, text=True, check=False)


def test_the_built_in_path_opens_no_socket_to_elsewhere() -> None:
    done = run(BUILT_IN)
    assert done.stdout.strip() == "quiet", done.stderr


def test_the_guard_sees_a_connection() -> None:
    done = run("import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))")
    assert "asked for 192.0.2.1" in done.stderr

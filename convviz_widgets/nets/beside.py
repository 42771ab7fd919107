"""What ships beside a built-in network, trained for it: a file of weights in half precision and a card that tells how.

`generator` and `decoders` read theirs here, so that a missing file and an unknown name read the same.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from convviz_widgets.core.errors import MissingFile, unknown_name
from convviz_widgets.nets.builtin import FOLDER


@dataclass(frozen=True)
class Beside:
    """One kind of network that is trained for others.

    Args:
        kind: as its files are named: NET-kind.json and NET-kind.safetensors.
        what: one of them, in words, such as "trained generator".
        command: the module that trains them.
        otherwise: what to do for a network that has none.
        nets: the built-in networks for which it ships.
    """

    kind: str
    what: str
    command: str
    otherwise: str
    nets: tuple[str, ...] = ("mini",)

    def card(self, name: str) -> dict[str, Any]:
        """What is recorded of it, for a network.

        Raises:
            UnknownName: none ships for a network of that name.
            MissingFile: its file is not where it should be.
        """
        if name not in self.nets:
            raise unknown_name(f"{self.what} for", name, self.nets, self.otherwise)
        found: dict[str, Any] = json.loads(self._file(name, ".json").read_text(encoding="utf-8"))
        return found

    def state(self, name: str, part: str = "") -> dict[str, torch.Tensor]:
        """The weights of a part, "" for all, as float32, by their names within it.

        Raises:
            MissingFile: their file is not where it should be.
        """
        start = f"{part}." if part else ""
        with safe_open(self._file(name, ".safetensors"), framework="pt") as saved:
            keys = [key for key in saved.keys() if key.startswith(start)]  # noqa: SIM118 -- a file, not a dict
            found = {key.removeprefix(start): saved.get_tensor(key) for key in keys}
        return {key: each.float() if each.is_floating_point() else each for key, each in found.items()}

    def _file(self, name: str, suffix: str) -> Path:
        file = FOLDER / f"{name}-{self.kind}{suffix}"
        if not file.exists():
            raise MissingFile(
                f"The {self.kind} for {name!r} should lie in {file.name}, which is not in the package. Install it "
                f"again, or train anew: python -m {self.command} {name}"
            )
        return file

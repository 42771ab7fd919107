"""Torchvision, or one clear sentence on why it does not load."""

from importlib import import_module
from types import ModuleType

import torch

from convviz_widgets.core.errors import BrokenInstall


def torchvision() -> ModuleType:
    """The torchvision package, with its models.

    Raises:
        BrokenInstall: it is missing, or was built for another torch.
    """
    try:
        import_module("torchvision.models")
        return import_module("torchvision")
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise BrokenInstall(
            f"The installed torchvision does not work with torch {torch.__version__} ({error}). "
            "Install a pair that belongs together: python -m pip install --upgrade torch torchvision"
        ) from error

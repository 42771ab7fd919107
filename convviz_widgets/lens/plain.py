"""The module that can be looked into, out of what was given."""

from typing import Any

import torch
from torch import nn

from convviz_widgets.core.errors import BadType, UnsupportedModel


def plain_module(module: Any) -> nn.Module:
    """The module itself; of one compiled by ``torch.compile``, the module inside, which has the same weights.

    Raises:
        BadType: it is no module.
        UnsupportedModel: it runs no Python, so that nothing inside can be watched, or its weights are not made yet.
    """
    if not isinstance(module, nn.Module):
        raise BadType(
            f"Lens takes an nn.Module; given: {type(module).__name__}. By name, a network opens with Lens.load."
        )
    inner = getattr(module, "_orig_mod", module)
    if isinstance(inner, torch.jit.ScriptModule):
        raise UnsupportedModel(
            f"{type(inner).__name__} is a TorchScript module, whose inside cannot be watched. Open the nn.Module that "
            "it was made from, and give it the weights: model.load_state_dict(script.state_dict())."
        )
    inner = inner if isinstance(inner, nn.Module) else module
    if any(nn.parameter.is_lazy(weight) for weight in inner.parameters()):
        raise UnsupportedModel(
            f"{type(inner).__name__} has lazy layers whose weights are not made yet. Run it once on a batch of the "
            "size it is meant for, then open it: model(torch.zeros(1, 3, 224, 224))."
        )
    return inner

"""The opponent of a generator in training: told real pictures from made ones, it says what the made ones lack.

After Dosovitskiy & Brox 2016, section 3.2 (the discriminator sees the picture and its code), with the losses of
Goodfellow et al. 2014, section 3 (the one that does not saturate), and the gradient penalty on real pictures of
Mescheder et al. 2018, "Which training methods for GANs do actually converge?", section 4.1.
"""

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F  # noqa: N812 -- the name it goes by everywhere

from convviz_widgets.nets.generator import SLOPE, START, Generator


class Discriminator(nn.Module):
    """One score per picture and code, high where the picture is taken for a real one.

    Example:
        >>> Discriminator(256)(torch.zeros(2, 3, 96, 96), torch.zeros(2, 256)).shape
        torch.Size([2])

    Args:
        code_length: K, numbers in a code.
        channels: of the four convolutions; each halves the side.
    """

    def __init__(self, code_length: int, channels: tuple[int, int, int, int] = (16, 32, 48, 64)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *channels), channels, strict=False):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        self.look = nn.Sequential(*layers, nn.Flatten())
        self.judge = nn.Sequential(
            nn.Linear(channels[-1] * START * START + code_length, 128), nn.LeakyReLU(SLOPE), nn.Linear(128, 1)
        )

    def forward(self, images: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """Scores (N,) of pictures (N, 3, 96, 96) in [0, 1] and their codes (N, K)."""
        seen = self.look(images * 2 - 1)
        return self.judge(torch.cat([seen, code], dim=1))[:, 0]  # type: ignore[no-any-return]


class Contest(nn.Module):
    """A generator and its opponent as one module, so that one loop and one optimiser train both in each step.

    No parameter gets a gradient from both losses: the generator's goes through a frozen opponent, the opponent's sees
    pictures cut off from the generator.

    Args:
        generator: makes pictures of codes.
        opponent: judges them.
    """

    def __init__(self, generator: Generator, opponent: Discriminator) -> None:
        super().__init__()
        self.generator, self.opponent = generator, opponent

    def deceit(self, made: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """The generator's loss: how little the opponent takes the made pictures for real ones."""
        frozen = {name: each.detach() for name, each in self.opponent.named_parameters()}
        return F.softplus(-functional_call(self.opponent, frozen, (made, self._scaled(code)))).mean()

    def judgement(self, made: torch.Tensor, real: torch.Tensor, code: torch.Tensor, penalty: float) -> torch.Tensor:
        """The opponent's loss; the gradient penalty is measured on an eighth of the batch to save time."""
        code = self._scaled(code)
        loss = F.softplus(self.opponent(made.detach(), code)).mean() + F.softplus(-self.opponent(real, code)).mean()
        few = max(1, len(real) // 8)
        watched = real[:few].detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.opponent(watched, code[:few]).sum(), watched, create_graph=True)
        return loss + penalty / 2 * slope.square().sum((1, 2, 3)).mean()

    def _scaled(self, code: torch.Tensor) -> torch.Tensor:
        return code / self.generator.code_high.mean()

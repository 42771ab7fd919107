"""One picture, and not several."""

import pytest
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.single import one_picture


def test_one_is_prepared_and_several_are_refused() -> None:
    lens = Lens.load("mini", device="cpu")
    picture = torch.rand(3, 96, 96, generator=torch.Generator().manual_seed(0))
    assert torch.equal(one_picture(lens, picture), lens.prepare(picture))
    with pytest.raises(BadValue, match=r"2 pictures were given\. Accepted: one"):
        one_picture(lens, [picture, picture])

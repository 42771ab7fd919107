"""The figure of what each rule lets through, layer by layer."""

import numpy as np
import pytest

from convviz_widgets.core.errors import BadValue, UnsupportedModel
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.deconvnet import deconvnet
from convviz_widgets.methods.deconvnet.rule_figure import RULES, rule_figure
from tests.networks import ALL, pictures


def test_what_leaves_the_lowest_layer_is_the_projection() -> None:
    lens = Lens.load("mini")
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    figure = rule_figure(lens, image, "relu2:28")
    lowest = figure.data[-3:]
    signals = [deconvnet(lens, image, "relu2:28", rule=rule).signal for rule in RULES]
    shown = [np.nan_to_num(np.asarray(trace.z)).sum() for trace in lowest]
    sums = np.stack([signal.sum((1, 2)) for signal in signals], axis=1)  # (colours, rules)
    assert np.abs(sums - shown).max(1).min() < 1e-4 * np.abs(sums).max()


def test_at_a_relu_each_rule_passes_what_its_formula_says() -> None:
    lens = Lens.load("mini")
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    lowest = [np.nan_to_num(np.asarray(trace.z)) for trace in rule_figure(lens, image, "relu2:28").data[12:16]]
    forward, gradient, deconvolved, guided = lowest  # of relu1
    assert (gradient[forward <= 0] == 0).all()
    assert (gradient < 0).any()
    assert (deconvolved >= 0).all()
    assert (deconvolved[forward <= 0] > 0).any()
    assert (guided >= 0).all()
    assert (guided[forward <= 0] == 0).all()


def test_what_has_no_figure_says_so() -> None:
    lens, image = Lens(ALL["residual"].make(), input_size=ALL["residual"].shape[1:]), pictures(1, (3, 21, 21))[0]
    with pytest.raises(UnsupportedModel, match="plain chain"):
        rule_figure(lens, image, "relu#3:0")
    mini = Lens.load("mini")
    with pytest.raises(BadValue, match="0 to 47"):
        rule_figure(mini, np.zeros((96, 96, 3), np.uint8), "relu2:48")

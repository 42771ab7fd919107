"""What perturbations do to any code: exactly their formulas, and the Euclidean norm stays where it is said to."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.methods.inversion.perturb import KINDS, Perturbation

SHAPES = st.sampled_from([(7,), (40,), (6, 3, 4), (1, 5, 5), (9, 1, 1)])
KEEP_THE_NORM = [name for name in KINDS if name != "quantise"]


def codes(shape: tuple[int, ...], seed: int, *, rectified: bool = False) -> torch.Tensor:
    values = torch.randn((3, *shape), generator=torch.Generator().manual_seed(seed)) * 2
    return values.relu() if rectified else values


def norms(code: torch.Tensor) -> torch.Tensor:
    return code.flatten(1).norm(dim=1)


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(KEEP_THE_NORM), shape=SHAPES, seed=st.integers(0, 50), rectified=st.booleans())
def test_the_norm_of_each_code_stays_unless_nothing_is_left(
    name: str, shape: tuple[int, ...], seed: int, rectified: bool
) -> None:
    code = codes(shape, seed, rectified=rectified)
    before = code.clone()
    found = Perturbation(name)(code, generator=torch.Generator().manual_seed(seed))
    left = norms(found) > 0
    assert torch.equal(code, before), "a perturbation does not write to the code"
    assert found.shape == code.shape
    assert torch.allclose(norms(found)[left], norms(code)[left], rtol=1e-5)
    assert bool((found.flatten(1)[~left] == 0).all())


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 50), rectified=st.booleans())
def test_binarised_codes_have_their_signs_and_one_magnitude(shape: tuple[int, ...], seed: int, rectified: bool) -> None:
    code = codes(shape, seed, rectified=rectified)
    for one, was in zip(Perturbation("binarise")(code), code, strict=True):
        assert torch.equal(one.sign(), was.sign())
        magnitudes = one[one != 0].abs()
        assert not len(magnitudes) or float(magnitudes.max() - magnitudes.min()) < 1e-6


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 50), rate=st.floats(0, 0.99))
def test_dropout_zeroes_numbers_and_scales_all_others_alike(shape: tuple[int, ...], seed: int, rate: float) -> None:
    code = codes(shape, seed)
    found = Perturbation("dropout", rate)(code, generator=torch.Generator().manual_seed(seed))
    for one, was in zip(found, code, strict=True):
        factors = one[one != 0] / was[one != 0]
        assert not len(factors) or float(factors.max() - factors.min()) < 1e-4 * float(factors.max())
        assert not len(factors) or float(factors.min()) >= 1 - 1e-5


def test_dropout_drops_as_many_as_its_rate_and_others_for_other_seeds() -> None:
    code = codes((4000,), 0)
    draws = [Perturbation("dropout", 0.3)(code, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert float((draws[0] == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(Perturbation("dropout", 0.0)(code), code) or torch.allclose(
        Perturbation("dropout", 0.0)(code), code, rtol=1e-5
    )


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 50), share=st.floats(0, 0.99))
def test_the_weakest_channels_are_those_of_least_norm_or_importance(
    shape: tuple[int, ...], seed: int, share: float
) -> None:
    code = codes(shape, seed)
    lost = round(share * shape[0])
    for importance in (None, torch.rand(shape[0], generator=torch.Generator().manual_seed(seed))):
        found = Perturbation("weakest", share)(code, importance=importance)
        for one, was in zip(found, code, strict=True):
            worth = was.reshape(shape[0], -1).norm(dim=1) if importance is None else importance
            gone = one.reshape(shape[0], -1).abs().sum(1) == 0
            assert int(gone.sum()) == lost
            assert not lost or lost == shape[0] or float(worth[gone].max()) <= float(worth[~gone].min())


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 50), count=st.integers(1, 60))
def test_the_strongest_numbers_stay(shape: tuple[int, ...], seed: int, count: int) -> None:
    code = codes(shape, seed)
    length = code[0].numel()
    for one, was in zip(Perturbation("top", count)(code), code, strict=True):
        assert int((one != 0).sum()) == min(count, length)
        assert length <= count or float(was[one != 0].abs().min()) >= float(was[one == 0].abs().max())
    share = min(1.0, count / length)
    assert torch.equal(Perturbation("strongest", share)(code), Perturbation("top", max(1, round(share * length)))(code))


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 50), bits=st.integers(1, 12))
def test_quantised_codes_have_few_levels_and_are_off_by_half_a_step_at_most(
    shape: tuple[int, ...], seed: int, bits: int
) -> None:
    code = codes(shape, seed)
    found = Perturbation("quantise", bits)(code)
    for one, was in zip(found, code, strict=True):
        step = float(was.max() - was.min()) / (2**bits - 1)
        assert len(one.unique()) <= 2**bits
        assert float((one - was).abs().max()) <= step / 2 + 1e-5
        assert np.allclose([float(one.min()), float(one.max())], [float(was.min()), float(was.max())], atol=1e-5)


def test_each_picture_is_perturbed_for_itself() -> None:
    code = codes((6, 3, 4), 0)
    for name in KINDS:
        if name != "dropout":
            alone = torch.cat([Perturbation(name)(each[None]) for each in code])
            assert torch.allclose(Perturbation(name)(code), alone, atol=1e-6), name


@pytest.mark.parametrize("text", ["binarise", "dropout:0.25", "weakest:0.5", "strongest:0.1", "top:5", "quantise:3"])
def test_text_and_back(text: str) -> None:
    assert str(Perturbation.parse(text)) == text
    assert Perturbation.parse(Perturbation.parse(text)) == Perturbation.parse(text)


def test_a_constant_code_and_zeros_survive() -> None:
    for name in KINDS:
        assert bool(Perturbation(name)(torch.zeros(2, 6)).eq(0).all()), name
        assert bool(Perturbation(name)(torch.full((2, 6), 3.0)).isfinite().all()), name


def test_what_is_wrong_is_told() -> None:
    with pytest.raises(UnknownName, match="'binarise'"):
        Perturbation.parse("binarize")
    with pytest.raises(BadValue, match="no strength"):
        Perturbation("binarise", 0.5)
    with pytest.raises(BadValue, match=r"0 to 0.99"):
        Perturbation.parse("dropout:1")
    with pytest.raises(BadValue, match="no number"):
        Perturbation.parse("dropout:half")
    with pytest.raises(BadType, match="whole number"):
        Perturbation.parse("quantise:2.5")
    with pytest.raises(BadType, match="no perturbation"):
        Perturbation.parse(3)  # type: ignore[arg-type]
    with pytest.raises(BadValue, match=r"one number per channel, \(7,\)"):
        Perturbation("weakest")(codes((7,), 0), importance=torch.ones(3))

"""Decoders are trained on any layer: they learn to undo it, resume with the same bits, and know where they belong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadType, BadValue, MissingFile, UnknownName, UnsupportedModel
from convviz_widgets.methods.inversion.decoder import Decoder
from convviz_widgets.methods.inversion.invert import invert
from convviz_widgets.methods.inversion.train_decoder import train_decoder
from convviz_widgets.nets.upconvnet import UpconvNet
from tests.networks import ALL, pictures, settle

WIDTHS = (8, 8)


def smooth(count: int, side: int = 16, seed: int = 0) -> torch.Tensor:
    """Soft pictures (N, 3, side, side), with more to see than noise."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)


def small() -> nn.Module:
    return settle(
        nn.Sequential(
            nn.Conv2d(3, 6, 1), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(6 * 16, 8), nn.ReLU(), nn.Linear(8, 5)
        )
    )


@pytest.fixture
def lens() -> cv.Lens:
    return cv.Lens(small(), input_size=16)


def test_it_learns_to_undo_a_layer_and_less_of_a_deeper_one(lens: cv.Lens) -> None:
    images, others = smooth(48), smooth(8, seed=9)
    errors = {}
    for layer in ("0", "3"):
        decoder = train_decoder(lens, layer, images, epochs=8, batch_size=8, widths=WIDTHS, learning_rate=0.01)
        assert decoder.losses[-1] < decoder.losses[0]
        told = decoder.decode(lens.activations(others, layer))
        errors[layer] = float((told - others).square().mean())
        assert errors[layer] == pytest.approx(decoder.losses[-1], rel=1.5)
    assert errors["0"] < 0.5 * errors["3"]
    of_mean = float((images.mean(0) - others).square().mean())
    assert errors["0"] < 0.3 * of_mean


def test_killed_and_resumed_it_ends_with_the_same_bits(lens: cv.Lens, tmp_path: Path) -> None:
    given: dict[str, Any] = {"epochs": 3, "batch_size": 8, "widths": WIDTHS, "seed": 4}
    before = torch.get_rng_state()
    whole = train_decoder(lens, "1", smooth(20), **given)
    killed = train_decoder.steps(lens, "1", smooth(20), **given, checkpoint=tmp_path / "c.pt")
    for _ in range(5):
        next(killed)
    killed.close()
    resumed = train_decoder(lens, "1", smooth(20), **given, checkpoint=tmp_path / "c.pt")
    assert torch.equal(torch.get_rng_state(), before)
    assert resumed.losses == whole.losses
    pairs = zip(whole.net.state_dict().values(), resumed.net.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    with pytest.raises(BadValue, match="another recipe"):
        train_decoder(lens, "0", smooth(20), **given, checkpoint=tmp_path / "c.pt")


def test_its_steps_tell_the_loss_and_the_epoch(lens: cv.Lens) -> None:
    steps = list(train_decoder.steps(lens, "1", smooth(10), epochs=2, batch_size=4, widths=WIDTHS))
    assert [step.index for step in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[0].total == 6
    assert all(step.headline is not None and step.headline > 0 for step in steps)


class Counting:
    """A dataset that counts how often it is read; one that announces more than it has."""

    def __init__(self, images: torch.Tensor, announced: int | None = None) -> None:
        self.images, self.announced, self.reads = images, announced or len(images), 0

    def __len__(self) -> int:
        return self.announced

    def __getitem__(self, index: int) -> torch.Tensor:
        if index >= len(self.images):
            raise IndexError(index)
        self.reads += 1
        return self.images[index]


def test_answers_come_from_the_cache(lens: cv.Lens) -> None:
    train_decoder(lens, "1", smooth(12), epochs=4, batch_size=4, widths=WIDTHS)
    assert lens.cache.misses == 12
    assert lens.cache.hits == 4 * 12


@pytest.mark.parametrize("name", ["residual", "one_channel", "odd_sizes", "writes_input", "in_place", "transposed"])
def test_any_network_gets_a_decoder(name: str) -> None:
    make, shape = ALL[name]
    lens = cv.Lens(make(), input_size=shape[1:])
    layers = [each for each in lens.layers if len(lens.layers[each].shape) in (1, 3)]
    for layer in {layers[0], layers[-1]}:
        decoder = train_decoder(lens, layer, pictures(5, shape), epochs=1, batch_size=4, widths=WIDTHS)
        told = invert(lens, pictures(1, shape)[0], layer, recipe="decoder", decoders=decoder)
        assert told.images.shape == (1, *shape[1:], 3)
        wanted = decoder.decode(lens.activations(pictures(1, shape)[0], layer))
        shown = wanted[0].permute(1, 2, 0).expand(-1, -1, 3).numpy()
        assert np.allclose(told.image, shown, atol=1e-5)


def test_it_is_saved_and_knows_where_it_belongs(lens: cv.Lens, tmp_path: Path) -> None:
    decoder = train_decoder(lens, "1", smooth(8), epochs=1, widths=WIDTHS)
    again = Decoder.load(decoder.save(tmp_path / "d.pt"))
    answers = lens.activations(smooth(2), "1")
    assert torch.equal(again.decode(answers), decoder.decode(answers))
    assert (again.layer, again.fingerprint, again.losses) == (decoder.layer, decoder.fingerprint, decoder.losses)
    with pytest.raises(BadValue, match="for the layer '1'; given: '0'"):
        invert(lens, smooth(1)[0], "0", recipe="decoder", decoders={"0": again})
    with torch.no_grad():
        lens.module[0].weight.mul_(2)
    with pytest.raises(BadValue, match="trained for other weights"):
        invert(lens, smooth(1)[0], "1", recipe="decoder", decoders=again)
    with pytest.raises(MissingFile, match="no file"):
        Decoder.load(tmp_path / "none.pt")
    (tmp_path / "other.pt").write_bytes(b"no decoder")
    with pytest.raises(BadValue, match="is not a decoder"):
        Decoder.load(tmp_path / "other.pt")


def test_pictures_of_another_size_are_refused() -> None:
    convolutional = cv.Lens(settle(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())), input_size=16)
    decoder = train_decoder(convolutional, "0", smooth(6), epochs=1, widths=WIDTHS)
    with pytest.raises(BadValue, match=r"\(N, 4, 14, 14\).*16 by 16 pixels"):
        decoder.decode(convolutional.activations(smooth(1, side=20), "0"))
    mixed = [*smooth(70), *smooth(6, side=20)]
    with pytest.raises(BadValue, match=r"differ in size|20x20 pixels came after others of 16x16"):
        train_decoder(convolutional, "0", mixed, epochs=1, batch_size=1, widths=WIDTHS)


def test_what_is_wrong_is_told(lens: cv.Lens, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"ran out: there is none with number \d+, although 12.*with checkpoint=FILE"):
        train_decoder(lens, "1", Counting(smooth(9), announced=12), epochs=2, widths=WIDTHS)
    with pytest.raises(BadValue, match=r"ran out.*in the checkpoint: mend the data"):
        train_decoder(lens, "1", Counting(smooth(9), announced=12), widths=WIDTHS, checkpoint=tmp_path / "kept.pt")
    with pytest.raises(BadType, match="generator, which cannot be gone through again"):
        train_decoder(lens, "1", (each for each in smooth(3)), widths=WIDTHS)
    with pytest.raises(BadValue, match="sequence is empty"):
        train_decoder(lens, "1", [], widths=WIDTHS)
    with pytest.raises(UnknownName, match="layer '9'"):
        train_decoder(lens, "9", smooth(3), widths=WIDTHS)
    with pytest.raises(UnknownName, match="'mini'"):
        Decoder.shipped(lens, "1")
    assert Decoder.shipped_for(lens) == ()


class Tokens(nn.Module):
    """Its inner layer gives tokens (T, K), neither maps nor a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = nn.Linear(3, 4), nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.inner(x.flatten(2).transpose(1, 2)).mean(1))


def test_a_layer_that_gives_neither_maps_nor_a_vector_is_told() -> None:
    lens = cv.Lens(settle(Tokens()), input_size=8)
    with pytest.raises(UnknownName, match=r"no layer 'inner'. Nearest: 'out'. `lens.layers` lists them"):
        train_decoder(lens, "inner", smooth(3, side=8), widths=WIDTHS)
    with pytest.raises(UnsupportedModel, match=r"\(64, 4\) cannot be decoded. Accepted: maps"):
        UpconvNet((64, 4), (3, 8, 8))


def test_the_decoders_that_ship_belong_to_the_weights_that_ship() -> None:
    other = cv.Lens.load("mini", weights=None, device="cpu")
    assert Decoder.shipped_for(other) == ()
    with pytest.raises(BadValue, match="these are others"):
        Decoder.shipped(other, "relu1")


def test_every_layer_of_the_network_that_ships_has_a_decoder_its_own_or_that_of_the_relu_that_follows() -> None:
    lens = cv.Lens.load("mini", device="cpu")
    prepared = lens.prepare(np.random.default_rng(0).random((2, 96, 96, 3)))
    answers = lens.record(prepared, lens.layers)
    own = Decoder.shipped_for(lens)
    for layer in lens.layers:
        decoder = Decoder.shipped(lens, layer)
        assert (decoder.layer, bool(decoder.through)) == (layer, layer not in own)
        decoder.check(lens, layer)
        source = decoder.through or layer
        assert torch.equal(decoder.decode(answers[layer]), Decoder.shipped(lens, source).decode(answers[source]))
    assert Decoder.shipped(lens, "conv2").through == "relu2"
    assert float(answers["conv2"].min()) < 0


def test_who_is_served_by_another_decoder_is_kept_in_its_file_and_sizes_are_still_checked(tmp_path: Path) -> None:
    lens = cv.Lens.load("mini", device="cpu")
    decoder = Decoder.shipped(lens, "conv5")
    again = Decoder.load(decoder.save(tmp_path / "conv5.pt"))
    assert (again.layer, again.through) == ("conv5", "relu5")
    code = torch.randn(1, 64, 12, 12)
    assert torch.equal(again.decode(code), decoder.decode(code))
    with pytest.raises(BadValue, match=r"\(N, 64, 12, 12\); given: \(1, 64, 13, 13\)"):
        again.decode(torch.zeros(1, 64, 13, 13))

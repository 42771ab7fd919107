"""The model is a guest: whatever the catalog offers leaves it as it came, after success, an exception and a cancel."""

import contextlib
import random
import tempfile
from collections.abc import Callable, Generator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convviz_widgets as cv
from convviz_widgets.catalog import ROWS
from convviz_widgets.jobs.worker import worker_of

SIDE = 32


class Guest(nn.Module):
    """A small residual net in train mode: dropout, batch norm, an in-place ReLU, a frozen weight, a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(8, 4)
        self.conv1.weight.requires_grad_(False)
        self.fc.weight.grad = torch.ones_like(self.fc.weight)
        self.norm.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.norm(self.conv1(x)))
        x = self.relu(x + self.conv2(x))
        return self.fc(self.dropout(x.mean((2, 3))))


class Photos:
    """Eight photos; reading the one named ``stops_at`` is interrupted, as by the stop button."""

    def __init__(self, stops_at: int | None = None) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)
        self.stops_at = stops_at

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> np.ndarray:
        if index >= len(self.pixels):
            raise IndexError(index)
        if index == self.stops_at:
            raise KeyboardInterrupt
        return self.pixels[index]


def state(model: nn.Module) -> dict[str, Any]:
    """All of a model, and of the world around it, that a call could leave changed."""
    hooks = {
        (name, kind): len(getattr(module, kind))
        for name, module in model.named_modules()
        for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    }
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {
        "hooks": hooks,
        "modes": {name: module.training for name, module in model.named_modules()},
        "forwards": {name: "forward" in vars(module) for name, module in model.named_modules()},
        "requires_grad": {name: each.requires_grad for name, each in tensors.items()},
        "kind": {name: (each.dtype, each.device, each.is_leaf, id(each)) for name, each in tensors.items()},
        "values": {name: each.detach().numpy().tobytes() for name, each in tensors.items()},
        "grads": {name: None if each.grad is None else each.grad.numpy().tobytes() for name, each in tensors.items()},
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": str(np.random.get_state()),  # noqa: NPY002 -- the global state is what is watched
        "python": random.getstate(),
        "grad_enabled": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
    }


Work = Callable[[Any, Photos], Generator[Any, None, Any]]


def calls(use: Callable[[Any, Photos], Any]) -> Work:
    """A plain call as an iterator of one step."""

    def work(lens: Any, photos: Photos) -> Generator[Any, None, Any]:
        yield from ()
        return use(lens, photos)

    return work


def every_call_of_the_lens(lens: Any, photos: Photos) -> None:
    several = [photos[index] for index in range(4)]
    lens.predict(several, k=2)
    lens.activations(several, ["conv1", "conv2"])
    lens.record(lens.prepare(several), ["conv2"], grad=True)
    lens.picture(several[0])
    assert len(lens.layers)
    assert lens.fingerprint


def pick(lens: Any, photos: Photos) -> None:
    picker = cv.LayerPicker(lens, [photos[index] for index in range(4)])
    picker.unit = "conv2:3"
    picker.close()
    assert worker_of(lens).wait(60)  # what was called off may be in the midst of a forward pass


def interruptible(steps: Generator[Any, None, Any], photos: Photos) -> Generator[Any, None, Any]:
    """The steps of work that reads no photo, made to read one at each step."""
    with contextlib.closing(steps):
        for index, step in enumerate(steps):
            photos[index]
            yield step


def strongest(lens: Any, photo: Any) -> str:
    return f"conv2:{int(lens.activations(photo, 'conv2')[0].amax((1, 2)).argmax())}"


def maximize(lens: Any, photos: Photos) -> Generator[Any, None, Any]:
    """With all that could touch a model: a start, redirected gradients, a generator's code."""
    start = [photos[index] for index in range(4)]
    yield from cv.activation_maximization.steps(lens, ["conv2:3"] * 4, start=start, steps=3)


def grow_in_a_panel(lens: Any, photos: Photos) -> None:
    panel = cv.ActivationMaximizationPanel(lens, "conv2:3", images=[photos[index] for index in range(4)], steps=3)
    panel.wait(30)
    panel.close()
    panel._runs.worker.wait(60)  # the search for the best photo may be in the midst of a forward pass


def project_in_a_viewer(lens: Any, photos: Photos) -> None:
    watch(cv.ProjectionViewer(lens, [photos[index] for index in range(4)], unit="conv2:3"))


def map_in_a_viewer(lens: Any, photos: Photos) -> None:
    watch(cv.SaliencyViewer(lens, [photos[index] for index in range(4)]))


def paint(lens: Any, photos: Photos) -> None:
    brush = cv.OcclusionBrush(lens, [photos[index] for index in range(4)], unit="conv2:3")
    brush.set_region(np.pad(np.ones((4, 4)), ((2, SIDE - 6), (3, SIDE - 7))))
    brush.sliding = True  # called off in the midst of its run
    watch(brush)


def turn_in_a_viewer(lens: Any, photos: Photos) -> None:
    viewer = cv.InvarianceViewer(lens, [photos[index] for index in range(4)], unit="conv2:3")
    viewer.wait(60)
    viewer.transform = "scale"  # called off in the midst of its curves
    watch(viewer)


def tell_in_a_panel(lens: Any, photos: Photos) -> None:
    """By descent, disturbed and from two seeds, then by decoders; closed in the midst of a long descent."""
    images, layers = [photos[index] for index in range(4)], ["conv1", "conv2"]
    panel = cv.InversionPanel(lens, images, layers=layers, knobs={"steps": 3}, perturbation="dropout", seeds=2)
    panel.wait(60)
    panel.recipe, panel.unit = "decoder", "conv1:2"
    panel.wait(60)
    panel.recipe = "fourier"
    panel.knobs = {"steps": 4000}
    panel._looking.wait(60)  # type: ignore[union-attr]
    panel.close()
    panel._worker.wait(60)


def weigh(lens: Any, photos: Photos) -> Generator[Any, None, Any]:
    decoder = cv.train_decoder(lens, "conv2", photos.pixels, epochs=1, widths=(8,))
    several = (photos[index] for index in range(4))
    return (yield from cv.map_importance.steps(lens, several, "conv2", decoder=decoder))


def compressed(lens: Any, photos: Photos) -> Generator[Any, None, Any]:
    importance = yield from weigh(lens, photos)
    yield from cv.compress.steps(lens, photos.pixels[:4], [0, 1, 2, 3], "conv2", importance=importance, shares=[0.5])


class Labelled:
    """The photos with labels: their left and their right half."""

    concepts = (
        SimpleNamespace(id=1, name="left", category="part"),
        SimpleNamespace(id=2, name="right", category="part"),
    )
    digest = "labelled photos"

    def __init__(self, photos: Photos) -> None:
        self.photos = photos

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Any:
        halves = np.repeat([1, 2], SIDE // 2) * np.ones((SIDE, 1), dtype=np.int64)
        return SimpleNamespace(image=self.photos[index], labels={"part": halves})


def export(lens: Any, photos: Photos) -> Generator[Any, None, Any]:
    data = Labelled(photos)
    report = yield from cv.dissect.steps(lens, data, "conv2")
    with tempfile.TemporaryDirectory() as folder:
        yield from cv.export_dissection.steps(report, f"{folder}/report.html", lens=lens, dataset=data)


def browse(lens: Any, photos: Photos) -> None:
    data = Labelled(photos)
    browser = cv.ConceptBrowser(lens, cv.dissect(lens, data, "conv2"), data, concept="left")
    browser.wait(60)
    browser.receive({"kind": "combine"}, [])
    watch(browser)


def look_around(lens: Any, photos: Photos) -> None:
    """All panels at once; one closed in the midst of its work."""
    data = Labelled(photos)
    several = [photos[index] for index in range(4)]
    panels, am = ("picker", "brush", "am", "projections", "concepts"), {"knobs": {"steps": 3}}
    report = cv.dissect(lens, data, "conv2")
    explorer = cv.explore(lens, several, report, dataset=data, panels=panels, unit="conv2:3", am=am)
    explorer.unit = "conv1:2"
    explorer.panels = ["picker", "concepts"]
    watch(explorer)


def watch(viewer: Any) -> None:
    viewer.wait(60)
    viewer.close()
    viewer._worker.wait(60)  # what was called off may be in the midst of a forward pass


def follow(lens: Any, photos: Photos) -> Generator[Any, None, Any]:
    """Recorded at each step of a training that stands still."""
    with tempfile.TemporaryDirectory() as folder:
        recorder = cv.EvolutionRecorder(lens, [photos[index] for index in range(4)], folder, units=2, epochs=range(8))
        for epoch in range(len(photos)):
            photos[epoch]
            recorder(lens.module, epoch)
            yield epoch
        return recorder.evolution()


USES: dict[str, Work] = {
    "Lens": calls(every_call_of_the_lens),
    "scan": lambda lens, photos: cv.top_images.steps(lens, photos, "conv2", k=2),
    "top_images": lambda lens, photos: cv.top_images.steps(lens, photos, "conv2", k=2),
    "activation_maximization": maximize,
    "first_layer": lambda lens, photos: interruptible(cv.first_layer.steps(lens, steps=len(photos)), photos),
    "deconvnet": lambda lens, photos: cv.deconvnet.steps(lens, photos[3], strongest(lens, photos[3]), rule="guided"),
    "unit_projections": lambda lens, photos: cv.unit_projections.steps(
        lens, photos[3], [strongest(lens, photos[3])] * 2, rule="guided"
    ),
    "top_projections": lambda lens, photos: cv.top_projections.steps(lens, photos, "conv2", k=2),
    "diagnose": lambda lens, photos: cv.diagnose.steps(lens, images=photos),
    "compare_first_layers": lambda lens, photos: cv.compare_first_layers.steps(lens, lens, photos),
    "EvolutionRecorder": follow,
    "saliency": lambda lens, photos: cv.saliency.steps(lens, photos[3], variant="smoothgrad", samples=20),
    "randomization_check": lambda lens, photos: cv.randomization_check.steps(lens, photos[3]),
    "deletion_insertion": lambda lens, photos: cv.deletion_insertion.steps(lens, photos[3], steps=20),
    "localize": lambda lens, photos: cv.localize.steps(lens, photos[3]),
    "localization_error": lambda lens, photos: cv.localization_error.steps(
        lens, photos, [[(0, 4, 4, 20, 28)]] * len(photos), top=2
    ),
    "occlusion": lambda lens, photos: cv.occlusion.steps(lens, photos[3], size=16, stride=8),
    "empirical_receptive_field": lambda lens, photos: cv.empirical_receptive_field.steps(
        lens, "conv2:3", [photos[index] for index in range(4)], size=8, stride=8
    ),
    "minimal_image": lambda lens, photos: cv.minimal_image.steps(lens, photos[3], segments=6),
    "ablate": lambda lens, photos: cv.ablate.steps(
        lens, ["conv1:0", "conv1:1"], [photos[index] for index in range(4)], [0, 1, 2, 3]
    ),
    "invert": lambda lens, photos: interruptible(
        cv.invert.steps(lens, photos[0], ["conv1", "conv2"], steps=len(photos)), photos
    ),
    "train_decoder": lambda lens, photos: cv.train_decoder.steps(lens, "conv2", photos, epochs=1, batch_size=2),
    "inversion_measures": lambda lens, photos: interruptible(
        cv.inversion_measures.steps(lens, photos[0], ["conv2"], recipes=["fourier"], steps=len(photos)), photos
    ),
    "map_importance": weigh,
    "compress": compressed,
    "dissect": lambda lens, photos: cv.dissect.steps(lens, Labelled(photos), ["conv1", "conv2"], batch_size=2),
    "export_dissection": export,
    "compare_dissections": lambda lens, photos: cv.compare_dissections.steps(
        {"a": lens, "b": lens}, Labelled(photos), "conv2", batch_size=2
    ),
    "compare_conditions": lambda lens, photos: cv.compare_conditions.steps(
        {"baseline": lens, "other seeds": [lens]}, Labelled(photos), "conv2", batch_size=2
    ),
    "size_ablation": lambda lens, photos: cv.size_ablation.steps(
        {"whole": "", "narrow": "conv1=8"}, photos, [0, 1] * 4, photos, [0, 1] * 4, base=lens.module, epochs=1
    ),
    "transfer": lambda lens, photos: cv.transfer.steps(
        lens, photos, [0, 1] * 4, ["conv1", "conv2"], sizes=[2], repeats=1, scratch_steps=2
    ),
    "rotation": lambda lens, photos: cv.rotation.steps(lens, Labelled(photos), "conv2", steps=(0, 1)),
    "net2vec": lambda lens, photos: cv.net2vec.steps(lens, Labelled(photos), "conv2", "left", steps=2, units=[1]),
    "concept_vectors": lambda lens, photos: cv.concept_vectors.steps(
        lens, Labelled(photos), "conv2", ["left", "right"], task="classification", steps=2
    ),
    "compare_designs": lambda _, photos: cv.compare_designs.steps(
        photos, [0, 1] * 4, photos, [0, 1] * 4, designs=["plain", "p4"], side=16, width=1, steps=1
    ),
    "invariance": lambda lens, photos: cv.invariance.steps(lens, photos, "rotate", steps=5, at_once=2),
    "correspondence": lambda lens, photos: cv.correspondence.steps(
        lens, photos, [(np.arange(SIDE) < 6)[:, None] * np.ones(SIDE)] * len(photos), draws=2
    ),
    "part_regions": calls(lambda lens, photos: cv.part_regions(lens, Labelled(photos), "left", count=5)),
    "ProjectionViewer": calls(project_in_a_viewer),
    "SaliencyViewer": calls(map_in_a_viewer),
    "OcclusionBrush": calls(paint),
    "InversionPanel": calls(tell_in_a_panel),
    "InvarianceViewer": calls(turn_in_a_viewer),
    "ConceptBrowser": calls(browse),
    "LayerPicker": calls(pick),
    "explore": calls(look_around),
    "ActivationMaximizationPanel": calls(grow_in_a_panel),
}
DATA = {"MiniBroden", "ImageFolder", "Broden", "SegmentationFolder", "BoxFolder", "validate"}
TOUCH_NO_MODEL = {
    "Unit",
    "SequenceViewer",
    "evolution",
    "EvolutionViewer",
    "link",
    "language",
    "ConvvizError",
    "DesignComparison",
    "DesignBench",
} | DATA


def drain(steps: Generator[Any, None, Any]) -> None:
    for _ in steps:
        pass


@pytest.fixture
def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Guest()


@pytest.fixture
def lens(model: nn.Module) -> Any:
    return cv.Lens(model, input_size=SIDE, device="cpu")


def test_every_row_that_touches_a_model_is_watched() -> None:
    assert set(USES) | TOUCH_NO_MODEL == {row.name for row in ROWS}


@pytest.mark.parametrize("name", USES)
def test_after_success(name: str, model: nn.Module, lens: Any) -> None:
    before = state(model)
    drain(USES[name](lens, Photos()))
    assert state(model) == before


@pytest.mark.parametrize("name", USES)
def test_after_an_interrupt(name: str, model: nn.Module, lens: Any) -> None:
    before = state(model)
    with pytest.raises(KeyboardInterrupt):
        drain(USES[name](lens, Photos(stops_at=3)))
    assert state(model) == before


@pytest.mark.parametrize("name", USES)
def test_after_a_failing_forward(name: str, model: nn.Module, lens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(lens.layers)
    calls_left = iter(range(1))

    def fails(x: torch.Tensor) -> torch.Tensor:
        if next(calls_left, None) is None:
            raise RuntimeError("broken on purpose")
        return x

    with monkeypatch.context() as patch:
        patch.setattr(model.dropout, "forward", fails)
        patch.setattr(model.norm, "forward", fails)
        before = state(model)
        with contextlib.suppress(RuntimeError, cv.ConvvizError):
            drain(USES[name](lens, Photos()))
        assert state(model) == before


@pytest.mark.parametrize("name", USES)
def test_after_a_cancel(name: str, model: nn.Module, lens: Any) -> None:
    before = state(model)
    steps = USES[name](lens, Photos())
    next(steps, None)
    steps.close()
    assert state(model) == before


def test_a_change_would_be_seen(model: nn.Module) -> None:
    before = state(model)
    handle = model.conv1.register_forward_hook(lambda *_: None)
    assert state(model) != before
    handle.remove()
    assert state(model) == before
    model.norm.running_mean.add_(1)
    assert state(model) != before

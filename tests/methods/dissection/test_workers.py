"""Two workers give the same bits as one process, and a killed worker changes nothing."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import distributed
import pytest
import torch

from convviz_widgets.core.step import Step
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.dissect import dissect
from tests.methods.dissection.worlds import SIDE, Planted, Tiles

OPTIONS: dict[str, Any] = {"quantile": 0.05, "batch_size": 2}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster,
        distributed.Client(cluster) as made,
    ):
        yield made


def test_two_workers_give_the_bits_of_one_process(client: Any) -> None:
    lens = Lens(Planted(), input_size=SIDE)
    whole = dissect(lens, Tiles(41, bad=(5,)), ["conv", "last"], **OPTIONS)
    shared = dissect(lens, Tiles(41, bad=(5,)), ["conv", "last"], client=client, **OPTIONS)
    assert shared == whole
    assert shared.skipped == whole.skipped != ()
    assert sum(pictures for pictures, _ in shared.pace.values()) == 82
    assert all(address.startswith("tcp") and seconds > 0 for address, (_, seconds) in shared.pace.items())


@pytest.mark.parametrize("moment", [8, 48])
def test_a_worker_killed_in_the_midst_or_between_the_passes_changes_nothing(client: Any, moment: int) -> None:
    lens, killed = Lens(Planted(), input_size=SIDE), []
    whole = dissect(lens, Tiles(48), "last", **OPTIONS)
    client.wait_for_workers(2, timeout=60)

    def kill(step: Step) -> None:
        if step.index >= moment and not killed:
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    shared = dissect(lens, Tiles(48), "last", client=client, progress=kill, **OPTIONS)
    assert killed
    assert shared == whole


class Large(Planted):
    """More than the ten megabytes from which on a client warns of large graphs."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ballast", torch.randn(3_000_000))


@pytest.mark.filterwarnings("error:Sending large graph")
def test_the_network_is_handed_over_as_bytes_without_its_hooks_and_without_a_warning(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, sent = client.submit, []

    def note(function: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(arguments)
        return submit(function, *arguments, **options)

    monkeypatch.setattr(client, "submit", note)
    dissect(Lens(Large(), input_size=SIDE), Tiles(8), "last", client=client, **OPTIONS)
    parcels = [arguments[0] for arguments in sent if len(arguments) == 1]
    assert len(parcels) == 2  # one for each pass
    assert all(isinstance(each, bytes) and len(each) > 12_000_000 for each in parcels)
    assert all(isinstance(arguments[1], distributed.Future) for arguments in sent if len(arguments) > 1)


def test_calling_it_off_leaves_no_task_behind(client: Any) -> None:
    steps = dissect.steps(Lens(Planted(), input_size=SIDE), Tiles(48), "last", client=client, **OPTIONS)
    next(steps)
    steps.close()
    client.wait_for_workers(1)
    end = time.monotonic() + 20  # the client lets go in a thread of its own
    while (left := [name for name in client.futures if name.startswith("_count")]) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == []

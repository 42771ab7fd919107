"""The cache's laws, and what happens when memory runs out."""

import threading

import pytest
import torch

from convviz_widgets.core.errors import OutOfMemory
from convviz_widgets.lens.cache import ActivationCache, Key
from convviz_widgets.lens.memory import default_budget, in_parts, is_out_of_memory
from convviz_widgets.lens.recall import image_digest


def key(name: str, weights: int = 0) -> Key:
    return Key(name, "layer", weights)


def test_the_least_recently_used_goes_first() -> None:
    cache = ActivationCache(budget=3 * 40)
    for name in "abc":
        cache.put(key(name), torch.zeros(10))
    cache.get(key("a"))
    cache.put(key("d"), torch.zeros(10))
    assert [cache.get(key(name)) is not None for name in "abcd"] == [True, False, True, True]
    assert cache.bytes == 120
    assert (cache.hits, cache.misses) == (4, 1)


def test_what_is_larger_than_the_budget_is_not_kept() -> None:
    cache = ActivationCache(budget=39)
    cache.put(key("a"), torch.zeros(10))
    assert len(cache) == 0
    assert cache.bytes == 0


def test_putting_twice_counts_once() -> None:
    cache = ActivationCache(budget=1000)
    cache.put(key("a"), torch.zeros(10))
    cache.put(key("a"), torch.zeros(20))
    assert cache.bytes == 80


def test_other_weights_are_dropped() -> None:
    cache = ActivationCache(budget=1000)
    cache.put(key("a", 1), torch.zeros(10))
    cache.put(key("a", 2), torch.zeros(10))
    cache.keep_only(2)
    assert len(cache) == 1
    assert cache.get(key("a", 2)) is not None
    cache.clear()
    assert (len(cache), cache.bytes) == (0, 0)


def test_threads_leave_the_count_of_bytes_right() -> None:
    cache = ActivationCache(budget=4000)

    def work(seed: int) -> None:
        for step in range(300):
            cache.put(key(str((seed * 7 + step) % 50)), torch.zeros(10 + step % 7))
            cache.get(key(str(step % 50)))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.bytes == sum(each.numel() * 4 for each in cache._entries.values())
    assert cache.bytes <= 4000


def test_out_of_memory_frees_the_cache_and_splits_the_batch() -> None:
    freed, sizes = [], []

    def run(part: torch.Tensor) -> torch.Tensor:
        sizes.append(len(part))
        if len(part) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return part * 2

    batch = torch.arange(10.0)
    found = torch.cat(in_parts(run, batch, free=lambda: freed.append(True)))
    assert torch.equal(found, batch * 2)
    assert freed
    assert max(sizes[2:]) <= 2 or sizes[:2] == [10, 5]


def test_when_not_even_one_fits_the_error_says_so() -> None:
    def run(part: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")

    with pytest.raises(OutOfMemory, match="single picture"):
        in_parts(run, torch.zeros(3, 1), free=lambda: None)


def test_other_errors_pass() -> None:
    def run(part: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        in_parts(run, torch.zeros(3, 1), free=lambda: None)
    assert not is_out_of_memory(RuntimeError("shapes differ"))


def test_the_default_budget_is_a_quarter_of_what_is_free_up_to_two_gigabytes() -> None:
    assert 0 < default_budget(torch.device("cpu")) <= 2 * 1024**3


def test_equal_pictures_have_one_digest_and_others_another_whatever_was_digested_before() -> None:
    picture = torch.rand(3, 8, 8)
    other = picture.clone()
    other[2, 7, 7] += 1e-6
    first = image_digest(picture)
    assert image_digest(other) != first
    assert image_digest(picture.reshape(3, 4, 16)) != first
    assert image_digest(picture.clone()) == first
    picture[0, 0, 0] += 1  # written to, after it was digested
    assert image_digest(picture) != first
    for seed in range(9):
        image_digest(torch.full((3, 8, 8), float(seed)))
    picture[0, 0, 0] = other[0, 0, 0]
    assert image_digest(picture) == first

"""Out of memory: free what can be freed, split the work, try again."""

from collections.abc import Callable
from typing import TypeVar

import torch

from convviz_widgets.core.errors import OutOfMemory

Part = TypeVar("Part")
CPU_CACHE_LIMIT = 2 * 1024**3


def default_budget(device: torch.device) -> int:
    """Bytes a cache may take: a quarter of the device's free memory, at most 2 GiB on the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] // 4)
    return min(_free_bytes() // 4, CPU_CACHE_LIMIT)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on the CPU or on a device."""
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
    )


def in_parts(run: Callable[[torch.Tensor], Part], batch: torch.Tensor, *, free: Callable[[], None]) -> list[Part]:
    """Runs a batch whole; if memory runs out, frees the cache and runs smaller and smaller parts of it.

    Args:
        run: the work on a part (n, C, H, W) of the batch.
        batch: (N, C, H, W).
        free: gives up memory that can be won back.

    Raises:
        OutOfMemory: a single picture does not fit.
    """
    results: list[Part] = []
    size = len(batch)
    while batch.shape[0]:
        try:
            results.append(run(batch[:size]))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            free()
            if size == 1:
                raise OutOfMemory(
                    f"Memory ran out with a single picture of shape {tuple(batch.shape[1:])}, although the cache was "
                    "freed. Use a smaller input size or network, or device='cpu'."
                ) from error
            size = max(1, size // 2)
        else:
            batch = batch[size:]
    return results


def _free_bytes() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            fields = dict(line.split(":", 1) for line in lines)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return 2 * CPU_CACHE_LIMIT

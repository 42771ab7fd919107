"""An `EvolutionRecorder` as a callback of Lightning, where that is installed."""

from importlib import import_module
from typing import Any

from convviz_widgets.core.errors import BrokenInstall

HOMES = ("lightning.pytorch.callbacks", "pytorch_lightning.callbacks")


def callback(recorder: Any, *, accuracy: str, loss: str, network: str | None) -> Any:
    """The callback; see `EvolutionRecorder.lightning`.

    It records at the end of a training epoch, in the main process alone, after the metrics are logged.

    Raises:
        BrokenInstall: Lightning is not installed.
    """

    def on_train_epoch_end(_self: Any, trainer: Any, pl_module: Any) -> None:
        if not getattr(trainer, "is_global_zero", True) or getattr(trainer, "sanity_checking", False):
            return
        logged = trainer.callback_metrics
        known = {key: float(logged[name]) for key, name in (("accuracy", accuracy), ("loss", loss)) if name in logged}
        model = pl_module if network is None else getattr(pl_module, network)
        recorder(model, trainer.current_epoch + 1, **known)

    return type("EvolutionCallback", (_base(),), {"on_train_epoch_end": on_train_epoch_end})()


def _base() -> Any:
    """Lightning's class of callbacks."""
    for home in HOMES:
        try:
            return import_module(home).Callback
        except ImportError as error:
            reason = error
    raise BrokenInstall(
        f"Lightning is not installed ({reason}). `pip install lightning` brings it; in a loop of one's own the "
        "recorder is called after each epoch: recorder(model, epoch)."
    )

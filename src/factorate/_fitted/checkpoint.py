"""Checkpoint: a file with the state of training after the last epoch."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._fitted import npz_archive
from factorate._fitted.npz_archive import Expected
from factorate._training.epoch import Epoch
from factorate._training.saved_training import SavedTraining
from factorate._training.state import State

if TYPE_CHECKING:
    import os

    from factorate._training.settings import Settings
    from factorate._training.trainer import Trainer
    from factorate._utils.types import Arrays

FORMAT = 1
STATE = tuple(field.name for field in fields(State))
EPOCH = tuple(field.name for field in fields(Epoch))
ONE_COLUMN = "user_bias", "item_bias"
EXPECTED = {
    **{
        prefix + name: Expected("f4 f8", 1 if name in ONE_COLUMN else 2)
        for prefix in ("", "best_")
        for name in STATE
    },
    **{f"epoch_{name}": Expected("f8", 1) for name in EPOCH},
    "factors": Expected("f8", 1),
}


class Checkpoint:
    """A file with the state of training after the last epoch, from which a fit continues.

    Parameters
    ----------
    path : str or path-like
        The file, which need not exist.

    Raises
    ------
    ValueError
        If there is a file that is not a checkpoint.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._found: tuple[dict[str, Any], Arrays] | None = None
        self._description: dict[str, str] = {}  # of the fit
        if self._path.is_file():
            self._found = self._read()

    @property
    def seed(self) -> int | None:
        """The seed of the fit that wrote the file, if there is one."""
        return None if self._found is None else int(self._found[0]["seed"])

    def resume(self, trainer: Trainer, settings: Settings) -> None:
        """Continue the training that the file is of, if there is one; called before `write`.

        Raises
        ------
        ValueError
            If it is of another fit.
        """
        self._description = _describe(trainer, settings)
        if self._found is None:
            return
        (metadata, arrays), self._found = self._found, None
        for what, found in self._description.items():
            if metadata[what] != found:
                raise ValueError(
                    f"the checkpoint {str(self._path)!r} is of a fit with other {what}: "
                    f"{metadata[what]}, not {found}; fit with the same, or delete the file to "
                    f"begin again"
                )
        trainer.resume(_to_saved(metadata, arrays))

    def write(self, trainer: Trainer, settings: Settings) -> None:
        """Write the state of training; after an error, the file is as before."""
        saved = trainer.save()
        metadata = {
            "format": FORMAT,
            "seed": str(settings.seed),
            **self._description,
            "best_epoch": saved.best_epoch,
            "n_halvings": saved.n_halvings,
            "failed": saved.failed,
        }
        arrays = {name: getattr(saved.state, name) for name in STATE}
        if saved.best is not None:
            arrays |= {f"best_{name}": getattr(saved.best, name) for name in STATE}
        for name in EPOCH:
            column = [getattr(epoch, name) for epoch in saved.history]
            arrays[f"epoch_{name}"] = np.array(column, np.float64)
        arrays["factors"] = np.array(saved.factors)
        npz_archive.write(self._path, metadata, arrays)

    def remove(self) -> None:
        """Remove the file of a fit that is complete."""
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _read(self) -> tuple[dict[str, Any], Arrays]:
        try:
            metadata, arrays = npz_archive.read(self._path, EXPECTED, newest=FORMAT, mapped=False)
            if not {"seed", "settings", "ratings", "eval_set"} <= metadata.keys():
                raise ValueError("it is a model")
        except ValueError as error:
            raise ValueError(
                f"{str(self._path)!r} is not a checkpoint, or is damaged ({error}); choose another "
                f"path, or delete the file to begin again"
            ) from error
        return metadata, arrays


def _describe(trainer: Trainer, settings: Settings) -> dict[str, str]:
    """Describe a fit, so that another is not continued by mistake."""
    same = replace(settings, n_threads=1, log_level=0)
    checksums = {name: f"{number:08x}" for name, number in trainer.checksums().items()}
    return {"settings": repr(same), **checksums}


def _to_saved(metadata: dict[str, Any], arrays: Arrays) -> SavedTraining:
    columns = [arrays[f"epoch_{name}"].tolist() for name in EPOCH]
    history = [
        Epoch(**dict(zip(EPOCH, values, strict=True))) for values in zip(*columns, strict=True)
    ]
    best = None
    if metadata["best_epoch"] is not None:
        best = State(**{name: arrays[f"best_{name}"] for name in STATE})
    return SavedTraining(
        state=State(**{name: arrays[name] for name in STATE}),
        best=best,
        best_epoch=metadata["best_epoch"],
        history=tuple(replace(epoch, number=int(epoch.number)) for epoch in history),
        factors=tuple(arrays["factors"].tolist()),
        n_halvings=metadata["n_halvings"],
        failed=metadata["failed"],
    )

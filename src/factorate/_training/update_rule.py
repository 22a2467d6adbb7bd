"""UpdateRule: the loss of an update and the constraints on its result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from factorate._kernels.general import Loss

LOSSES = tuple(loss.name.lower() for loss in Loss)
MIN_PREDICTED = 0.01  # Kullback–Leibler replaces lower predictions by this, in mean ratings


@dataclass(frozen=True)
class UpdateRule:
    """How one update is computed, apart from learning rates and penalties.

    Attributes
    ----------
    loss : str, default="squared"
        One of `LOSSES`.
    huber_delta : float, default=1.0
        Error, in standard deviations of the ratings, beyond which Huber's loss is linear.
    nonnegative : bool, default=False
        Whether factors and biases are constrained to be ≥ 0.
    adagrad : bool, default=False
        Whether AdaGrad lowers the learning rate of each row.
    fit_bias : bool, default=True
        Whether biases are fitted.
    """

    loss: str = "squared"
    huber_delta: float = 1.0
    nonnegative: bool = False
    adagrad: bool = False
    fit_bias: bool = True

    def check_same(self, old: UpdateRule) -> None:
        """Raise ValueError if the rule differs from that of the model to be trained further."""
        for name in ("loss", "nonnegative", "fit_bias"):
            new_value, old_value = getattr(self, name), getattr(old, name)
            if new_value != old_value:
                raise ValueError(
                    f"{name} is {new_value!r}, but the model was fitted with {old_value!r}; set it "
                    f"back, or call fit again"
                )

    @property
    def loss_number(self) -> int:
        """Number that stands for the loss in the kernel."""
        return Loss[self.loss.upper()]

    @property
    def loss_parameter(self) -> float:
        """Parameter of the loss in the kernel: Huber's δ, or the minimum prediction."""
        return MIN_PREDICTED if self.loss == "kullback_leibler" else self.huber_delta

    @property
    def minimum(self) -> float:
        """Minimum of a factor or bias."""
        return 0.0 if self.nonnegative else -np.inf

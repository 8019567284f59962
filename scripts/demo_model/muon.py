"""Muon: momentum whose matrix updates are made orthogonal by Newton-Schulz iterations (Jordan et al., 2024)."""

from collections.abc import Iterable

import torch

# Coefficients of the quintic iteration, from the authors' reference implementation.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):  # type: ignore[misc]
    """For weight matrices only; everything else wants AdamW. `lr` scales an update of unit spectral norm."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    def step(self) -> None:
        """One update of every matrix that has a gradient."""
        with torch.no_grad():
            self._step()

    def _step(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                buffer = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                update = _orthogonal(parameter.grad.lerp(buffer, group["momentum"]))
                rows, columns = parameter.shape
                parameter.add_(update, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)


def _orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    wide = matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
    wide = (wide / (wide.norm() + 1e-7)).to(torch.bfloat16)
    for _ in range(_ITERATIONS):
        gram = wide @ wide.mT
        wide = _A * wide + (_B * gram + _C * gram @ gram) @ wide
    return (wide.mT if matrix.shape[0] > matrix.shape[1] else wide).to(matrix.dtype)

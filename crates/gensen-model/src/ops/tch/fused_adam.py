"""Writes `fused_adam.pt`: PyTorch's fused Adam, which `tch` does not bind, as TorchScript.

    python fused_adam.py        # any PyTorch from 2.3 on
"""

import pathlib
from typing import List

import torch


class FusedAdam(torch.nn.Module):
    def forward(
        self,
        parameters: List[torch.Tensor],
        gradients: List[torch.Tensor],
        means: List[torch.Tensor],
        variances: List[torch.Tensor],
        steps: List[torch.Tensor],
        divisor: torch.Tensor,
        rate: float,
        beta1: float,
        beta2: float,
        epsilon: float,
    ):
        torch._fused_adam_(
            parameters, gradients, means, variances, torch.jit.annotate(List[torch.Tensor], []), steps,
            lr=rate, beta1=beta1, beta2=beta2, weight_decay=0.0, eps=epsilon,
            amsgrad=False, maximize=False, grad_scale=divisor, found_inf=None,
        )
        return divisor


torch.jit.script(FusedAdam()).save(str(pathlib.Path(__file__).with_suffix(".pt")))

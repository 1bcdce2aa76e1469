"""Writes `script.pt`: operations of libtorch that `tch` does not bind, as TorchScript.

    python script.py        # any PyTorch from 2.3 on
"""

import pathlib
from typing import List, Tuple

import torch
from torch import Tensor


class Script(torch.nn.Module):
    @torch.jit.export
    def adam(
        self,
        parameters: List[Tensor],
        gradients: List[Tensor],
        means: List[Tensor],
        variances: List[Tensor],
        steps: List[Tensor],
        divisor: Tensor,
        rate: float,
        beta1: float,
        beta2: float,
        epsilon: float,
    ):
        torch._fused_adam_(
            parameters, gradients, means, variances, torch.jit.annotate(List[Tensor], []), steps,
            lr=rate, beta1=beta1, beta2=beta2, weight_decay=0.0, eps=epsilon,
            amsgrad=False, maximize=False, grad_scale=divisor, found_inf=None,
        )
        return divisor

    @torch.jit.export
    def gru_backward(
        self,
        x: Tensor,
        weights: List[Tensor],
        joined: Tensor,
        initial: Tensor,
        states: Tensor,
        gradient: Tensor,
        hidden: int,
        bidirectional: bool,
        widths: List[int],
        reserve: Tensor,
    ) -> Tuple[Tensor, Tensor, List[Tensor]]:
        """cuDNN's derivative of a layer by its input, its initial states and its weights."""
        # 4 tensors a direction; 3 is cuDNN's number for a GRU; no projection, one layer, no dropout.
        x, initial, _, weights = torch.ops.aten._cudnn_rnn_backward(
            x, weights, 4, joined, initial, None, states, gradient, None, None,
            3, hidden, 0, 1, False, 0.0, True, bidirectional, widths, None, reserve, [True, True, False, True],
        )
        return x, initial, weights


torch.jit.script(Script()).save(str(pathlib.Path(__file__).with_suffix(".pt")))

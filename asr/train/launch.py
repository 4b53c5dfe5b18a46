"""Devices, processes and precision for a training run, by Lightning Fabric."""

import logging
import os
import warnings

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from asr.runtime.torch_device import pick_torch_device, pick_torch_precision

_FABRIC_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


def launch(precision: str, devices: int = 1) -> Fabric:
    """Start Fabric's processes, on GPUs if there are any, else on shares of the CPU.

    If torchrun started this process, Fabric uses torchrun's processes, on any number of machines.

    Args:
        precision: "auto", "fp32" or "bf16".
        devices: Number of processes; torchrun's own number takes precedence.
    """
    # These libraries log devices and programming advice, which users of the command do not need.
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    for module in ("lightning", "lhotse"):
        warnings.filterwarnings("ignore", module=module)
    device = pick_torch_device("auto")
    nodes = 1
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    fabric = Fabric(
        accelerator=device.type,
        devices=devices,
        num_nodes=nodes,
        # Otherwise gradients are regrouped after the first step, of a resumed run as well. More than two processes then
        # add them up in another order, and other weights come out than without the interruption.
        strategy=DDPStrategy(find_unused_parameters=True) if nodes * devices > 1 else "auto",
        precision=_FABRIC_PRECISIONS[pick_torch_precision(precision, device)],
    )
    if devices > 1 and fabric.device.type == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // devices))
    fabric.launch()
    return fabric

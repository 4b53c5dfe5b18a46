"""Devices, processes and precision for a training run, by Lightning Fabric."""

import faulthandler
import logging
import os
import warnings
from collections.abc import Callable
from threading import Event, Thread

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from asr.errors import TrainingError
from asr.runtime.torch_device import pick_torch_device, pick_torch_precision

_STANDARD_ERROR = 2  # file descriptor
_TURN_SECONDS = 0.5  # between questions whether others are done
_FABRIC_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


def launch(precision: str, devices: int = 1) -> Fabric:
    """Start Fabric's processes, on GPUs if there are any, else on shares of the CPU.

    If torchrun started this process, Fabric uses torchrun's processes, on any number of machines.

    Args:
        precision: "auto", "fp32" or "bf16".
        devices: Number of processes; torchrun's own number takes precedence.
    """
    _give_signals_a_stack()
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
        # add them up in another order, and other weights come out than without the interruption. Two processes on a
        # CPU took as long for a step with it as without: 62 ms in the median of 57, with a million weights, and 0.40 s
        # with seven million.
        strategy=DDPStrategy(find_unused_parameters=True) if nodes * devices > 1 else "auto",
        precision=_FABRIC_PRECISIONS[pick_torch_precision(precision, device)],
    )
    if devices > 1 and fabric.device.type == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // devices))
    fabric.launch()
    return fabric


def _give_signals_a_stack() -> None:
    """Have the main thread handle signals on a stack of their own, as long as the process lives.

    oneDNN's float32 matrix products over more than 2048 terms (jit_avx512_common_gemm_f32.cpp, jit_avx_gemm_f32.cpp)
    point the stack pointer at a buffer on the heap. The operating system would handle a signal that comes meanwhile,
    Ctrl-C or the end of a process that read audio, on that stack, and overwrite the memory before the buffer: training
    would crash, at once or minutes later.
    """
    # It brings such a stack, on which Python's handlers run (SA_ONSTACK). That it also reports crashes is welcome.
    if not faulthandler.is_enabled():
        faulthandler.enable(_STANDARD_ERROR)


def in_turn(fabric: Fabric, is_own: bool, work: Callable[[], None]) -> None:
    """Do something in some processes while the others wait; all must call this.

    It may take hours, after which a barrier would have given up, so all ask each other again and again.

    Args:
        fabric: Launched.
        is_own: Whether it is this process's turn.
        work: Called then.

    Raises:
        TrainingError: If the work of another process has failed. Errors of the own work are raised as they are.
    """
    if fabric.world_size == 1:
        if is_own:
            work()
        return
    errors: list[BaseException] = []
    done = Event()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    if is_own:
        Thread(target=run, daemon=True).start()  # so that an interruption need not wait for it
    else:
        done.set()
    while True:
        done.wait(_TURN_SECONDS)
        has_ended = done.is_set()
        counts = torch.tensor([float(not has_ended), float(len(errors))], device=fabric.device)
        num_pending, num_failed = fabric.all_reduce(counts, reduce_op="sum").tolist()
        if num_failed:
            raise errors[0] if errors else TrainingError("another process could not go on; its message says why")
        if not num_pending:
            return

"""Selection of devices and number formats, where no torch is needed."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from asr.config import AcousticSettings, ModelSettings
from asr.errors import ConfigError
from asr.runtime import graph, precision
from asr.runtime.onnx_network import OnnxNetwork
from asr.runtime.precision import pick_cpu_precision, pick_device
from tests.models import make_model

SAMPLE = Path(__file__).parents[2] / "recipes" / "an4" / "samples" / "help.flac"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASR_PRECISION", raising=False)


@pytest.mark.parametrize(
    ("asked", "cell", "expected"),
    [
        ("auto", "lstm", "int8"),
        ("auto", "gru", "fp32"),
        ("auto", "rnn", "fp32"),
        ("int8", "lstm", "int8"),
        ("fp32", "lstm", "fp32"),
        ("fp32", "gru", "fp32"),
    ],
)
def test_the_cpu_computes_in_8_bits_what_it_can(asked: str, cell: str, expected: str):
    assert pick_cpu_precision(asked, cell) == expected
    settings = ModelSettings(acoustic=AcousticSettings(cell=cell, num_layers=1, hidden_size=4, conv_channels=2))
    assert OnnxNetwork(make_model(settings).weights, settings, precision=asked).precision == expected


@pytest.mark.parametrize(
    ("asked", "cell", "message"),
    [
        ("bf16", "lstm", "precision bf16 runs on a GPU only; take int8, fp32 or auto"),
        ("bf16", "gru", "runs on a GPU only"),
        ("int8", "gru", "precision int8 runs LSTM cells only, and this network has the cell gru; take fp32 or auto"),
        ("int8", "rnn", "has the cell rnn"),
        ("fp16", "lstm", "no such precision; there are: auto, fp32, bf16, int8"),
    ],
)
def test_what_the_cpu_cannot_compute_is_refused(asked: str, cell: str, message: str):
    with pytest.raises(ConfigError, match=message):
        pick_cpu_precision(asked, cell)


def test_the_environment_decides_where_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ASR_PRECISION", "fp32")
    assert pick_cpu_precision("auto", "lstm") == "fp32"
    assert pick_cpu_precision("int8", "lstm") == "int8"
    monkeypatch.setenv("ASR_PRECISION", "half")
    with pytest.raises(ConfigError, match="precision half: no such precision"):
        pick_cpu_precision("auto", "lstm")


class Driver:
    """A GPU's driver that finds a number of devices."""

    def __init__(self, num_devices: int, status: int = 0) -> None:
        self.num_devices, self.status = num_devices, status

    def cuInit(self, _: int) -> int:  # noqa: N802  the driver's name
        return self.status

    def cuDeviceGetCount(self, count: "ctypes._CArgObject") -> int:  # noqa: N802
        count._obj.value = self.num_devices
        return 0


@pytest.mark.parametrize(
    ("driver", "has_torch", "expected"),
    [
        (Driver(1), True, "cuda"),
        (Driver(1), False, "cpu"),
        (Driver(0), True, "cpu"),
        (Driver(2, status=100), True, "cpu"),
        (object(), True, "cpu"),  # a library without these functions
        (None, True, "cpu"),
    ],
)
def test_a_gpu_is_taken_if_there_is_one_and_torch_is_installed(
    monkeypatch: pytest.MonkeyPatch, driver: object, has_torch: bool, expected: str
):
    def load(name: str) -> object:
        if driver is None:
            raise OSError(f"{name}: cannot open shared object file")
        return driver

    monkeypatch.setattr(precision.ctypes, "CDLL", load)
    monkeypatch.setattr(precision, "find_spec", lambda name: object() if has_torch else None)
    assert pick_device("auto") == expected
    assert (pick_device("cpu"), pick_device("cuda:1")) == ("cpu", "cuda:1")
    with pytest.raises(ConfigError, match="device gpu: no such device; there are: auto, cpu, cuda"):
        pick_device("gpu")


TRANSCRIBE = f"""
import sys
import asr
print(asr.load_model("an4").transcribe({str(SAMPLE)!r}).text)
print(sorted({{"torch", "torchaudio", "lhotse", "librosa", "lightning_fabric"}} & set(sys.modules)))
"""


@pytest.mark.skipif(pick_device("auto") != "cpu", reason="needs a machine without a GPU")
def test_a_recording_is_transcribed_on_the_cpu_without_torch():
    printed = subprocess.run([sys.executable, "-c", TRANSCRIBE], capture_output=True, text=True, timeout=100)
    assert printed.stdout.splitlines() == ["help", "[]"], printed.stderr


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "exact"),
    [
        ("x86_64", "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_vnni amx_int8\n", True),
        ("AMD64", "flags\t\t: fpu avx2 avx_vnni\n", True),
        ("x86_64", "flags\t\t: fpu avx2 avx512f avx512bw\n", False),
        ("x86_64", "flags\t\t: fpu avx_vnni_int16 my_avx512_vnni_bug\n", False),
        ("x86_64", None, False),  # nothing is known of the processor
        ("aarch64", None, True),
        ("arm64", "", True),
    ],
)
def test_processors_that_add_8_bit_products_exactly_are_known(
    monkeypatch: pytest.MonkeyPatch, machine: str, cpuinfo: str | None, exact: bool
):
    def read(path: Path, **_: object) -> str:
        assert path == Path("/proc/cpuinfo")
        if cpuinfo is None:
            raise FileNotFoundError(path)
        return cpuinfo

    monkeypatch.setattr(graph.platform, "machine", lambda: machine)
    monkeypatch.setattr(graph.Path, "read_text", read)
    assert graph.adds_int8_exactly.__wrapped__() is exact

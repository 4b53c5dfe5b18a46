import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.corpus import backends

ROOT = Path(__file__).parents[2]
BROKEN = 'raise OSError("libtorchaudio.so: undefined symbol: torch_list_push_back")\n'
READ = """
import sys
from lhotse import AudioSource, Recording
from asr.corpus.cuts import read_waveform
from asr.errors import CorpusError

recording = Recording("one", [AudioSource(sys.argv[1], [0], {source})], 16000, 16000, 1.0)
try:
    print(len(read_waveform(recording.to_cut(), 16000)))
except CorpusError as error:
    print(error)
"""


def put_torchaudio(folder: Path, code: str) -> None:
    (folder / "torchaudio").mkdir()
    (folder / "torchaudio" / "__init__.py").write_text(code)
    (folder / "torchaudio-9.9.dist-info").mkdir()
    (folder / "torchaudio-9.9.dist-info" / "METADATA").write_text("Name: torchaudio\nVersion: 9.9\n")


def read(folder: Path, kind: str, source: object) -> str:
    """What a process tells of a cut when it finds the folder's torchaudio."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    command = [sys.executable, "-c", READ.replace("{source}", repr(source)), kind]
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.mark.training
def test_a_torchaudio_that_does_not_load_matters_only_to_what_needs_it(tmp_path: Path):
    put_torchaudio(tmp_path, BROKEN)
    soundfile.write(tmp_path / "one.wav", np.zeros(16000, np.float32), 16000)
    assert read(tmp_path, "file", str(tmp_path / "one.wav")) == "16000"
    reported = read(tmp_path, "memory", (tmp_path / "one.wav").read_bytes())
    assert reported.startswith("one: lhotse reads its audio with torchaudio: torchaudio 9.9 does not load with torch ")
    assert "uninstall torchaudio" in reported
    assert all(f"{audio} with torch {torch}" in reported for torch, audio in backends.PAIRS)
    assert len(reported.splitlines()) == 1


@pytest.mark.parametrize(
    ("code", "is_explained"), [("", False), (BROKEN, True), ("raise RuntimeError", True), ("import nowhere", False)]
)
def test_only_a_torchaudio_that_does_not_load_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, is_explained: bool
):
    put_torchaudio(tmp_path, code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    assert (backends.explain_torchaudio() is not None) == is_explained
    sys.modules.pop("torchaudio", None)


def test_other_errors_pass():
    class Cut:
        id = "one"

        def load_audio(self) -> None:
            raise FileNotFoundError("no such file")

    with pytest.raises(FileNotFoundError):
        backends.read_samples(Cut())

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import Recording, RecordingSet

from asr.corpus.cuts import load_cuts, read_waveform
from asr.corpus.prepare import prepare
from asr.errors import CorpusError
from asr.signal.audio import load_audio
from tests.corpus.corpora import write_kaldi, write_sound


def test_a_manifest_works_from_another_folder(tmp_path, monkeypatch):
    write_sound(tmp_path / "corpus" / "a.wav")
    write_kaldi(tmp_path / "corpus", {"text": "a yes\n", "wav.scp": "a a.wav\n"})
    monkeypatch.chdir(tmp_path)
    prepare("kaldi", Path("corpus"), Path("out"))
    monkeypatch.chdir("/")
    (cut,) = load_cuts([tmp_path / "out" / "all.jsonl.gz"])
    assert cut.load_audio().shape == (1, 4000)


def test_manifests_are_put_together_or_refused_by_name(tmp_path):
    write_sound(tmp_path / "a.wav")
    write_kaldi(tmp_path, {"text": "a yes\n", "wav.scp": "a a.wav\n"})
    prepare("kaldi", tmp_path, tmp_path / "out")
    good = tmp_path / "out" / "all.jsonl.gz"
    assert [cut.id for cut in load_cuts([good, good])] == ["a", "a"]
    with pytest.raises(CorpusError, match=r"none\.jsonl\.gz: no such manifest"):
        load_cuts([good, tmp_path / "none.jsonl.gz"])
    broken = tmp_path / "broken.jsonl.gz"
    for content in (b"not gzip", gzip.compress(b"{not json\n"), gzip.compress(json.dumps({"a": 1}).encode())):
        broken.write_bytes(content)
        with pytest.raises(CorpusError, match=r"broken\.jsonl\.gz: not a manifest of lhotse cuts"):
            load_cuts([broken])
    broken.write_bytes(gzip.compress(b""))
    with pytest.raises(CorpusError, match=r"broken\.jsonl\.gz"):
        load_cuts([broken])
    recordings = tmp_path / "recordings.jsonl.gz"
    RecordingSet.from_recordings([cut.recording for cut in load_cuts([good])]).to_file(recordings)
    with pytest.raises(CorpusError, match="not a manifest of lhotse cuts"):
        load_cuts([recordings])


@pytest.mark.parametrize("rate", [8000, 44100])
def test_training_and_transcription_get_the_same_waveform_at_any_rate(tmp_path: Path, rate: int):
    samples = 0.1 * np.random.default_rng(0).standard_normal((rate, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    waveform = read_waveform(Recording.from_file(tmp_path / "a.wav").to_cut(), 16000)
    np.testing.assert_allclose(waveform, load_audio(tmp_path / "a.wav", sample_rate=16000), atol=1e-6)

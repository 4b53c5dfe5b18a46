from pathlib import Path

import pytest
import torch

from asr.config import AugmentSettings, Config, LanguageConfig
from asr.errors import TrainingError
from asr.train import rnn_lm, run
from asr.train.checkpoint import CheckpointFolder, Fingerprint


def test_averaging_is_the_mean_of_the_requested_epochs(tmp_path: Path):
    folder = CheckpointFolder(tmp_path)
    for epoch, value in enumerate([1.0, 2.0, 6.0]):
        folder.save_epoch(epoch, {"w": torch.full((2,), value)})
    assert folder.average_epochs([1, 2])["w"].tolist() == [4.0, 4.0]
    folder.keep_epochs([0, 2])
    assert sorted(path.name for path in folder.path.iterdir()) == ["epoch-000.pt", "epoch-002.pt"]


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path: Path):
    folder = CheckpointFolder(tmp_path)
    folder.save_last({"step": 1})
    with pytest.raises(Exception, match="pickle"):
        folder.save_last({"step": lambda: 2})  # breaks off in the middle of writing
    assert folder.load_last() == {"step": 1}
    assert list(folder.path.iterdir()) == [folder.last]


def test_a_broken_checkpoint_is_an_error(tmp_path: Path):
    folder = CheckpointFolder(tmp_path)
    folder.path.mkdir()
    folder.last.write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match=r"last\.pt: not a checkpoint"):
        folder.load_last()


@pytest.mark.parametrize(
    ("resume", "has_checkpoint", "has_model", "action"),
    [
        (False, False, False, "begin"),
        (False, True, False, None),
        (False, False, True, None),
        (True, True, False, "resume"),
        (True, True, True, "resume"),
        ("auto", False, False, "begin"),
        ("auto", True, False, "resume"),
        ("auto", True, True, "nothing"),
        ("auto", False, True, "nothing"),
    ],
)
def test_a_run_begins_resumes_or_has_nothing_to_do(tmp_path: Path, resume, has_checkpoint, has_model, action):
    folder, model = CheckpointFolder(tmp_path), tmp_path / "model"
    if has_checkpoint:
        folder.save_last({"settings_fingerprint": Fingerprint("a").settings})
    if has_model:
        model.touch()
    if action is None:
        with pytest.raises(TrainingError, match="choose another output folder"):
            folder.plan(resume, model, Fingerprint("a"))
    else:
        assert folder.plan(resume, model, Fingerprint("a")) == action
    if action == "nothing" and has_checkpoint:
        with pytest.raises(TrainingError, match="made with other settings"):
            folder.plan(resume, model, Fingerprint("b"))


def test_fingerprints_distinguish_settings_lexicon_and_data(tmp_path: Path):
    (tmp_path / "lexicon").write_text("a A\n")
    first, same, other = Fingerprint("x"), Fingerprint("x"), Fingerprint("x", tmp_path / "lexicon")
    assert first.settings == same.settings != other.settings
    first.add(["one", "two"])
    same.add(["one"])
    assert first.settings == same.settings
    assert first.run != same.run
    same.add(["two"])
    assert first.run == same.run


def test_fingerprints_hold_the_earlier_names_of_settings():
    """Runs that were begun when settings had these names can be resumed."""
    config = Config(corpus={"train": ["a"], "dev": ["b"]}, output="out", train={"precision": "fp32"})
    settings, *_ = run._decisive_settings(config, 1)
    augment = AugmentSettings().model_dump(mode="json")
    earlier = {"concatenation_probability": "join_share", "concatenation_start": "join_after"}
    del augment["vocal_tract"]  # did not exist then
    assert list(settings["train"]["augment"].items()) == [(earlier.get(key, key), augment[key]) for key in augment]
    for word, before in (("sentences", "apart"), ("continuous", "running")):
        settings, *_ = rnn_lm._decisive_settings(LanguageConfig(lines=word, train={"precision": "fp32"}), None)
        assert next(iter(settings.items())) == ("lines", before)
        assert settings["train"]["looks"] == 10

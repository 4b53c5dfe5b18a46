from pathlib import Path

import pytest
import yaml

from asr.corpus.prepare import prepare
from tests.tones import write_corpus


@pytest.fixture(scope="session")
def tone_manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.jsonl.gz and dev.jsonl.gz of the language of tones."""
    folder = tmp_path_factory.mktemp("tones")
    write_corpus(folder / "corpus", train=48, dev=12)
    prepare("kaldi", folder / "corpus", folder / "cuts")
    return folder / "cuts"


@pytest.fixture
def conf(tone_manifests: Path, tmp_path: Path) -> Path:
    """Settings of a training that takes seconds."""
    path = tmp_path / "conf.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "corpus": {
                    "train": [str(tone_manifests / "train.jsonl.gz")],
                    "dev": [str(tone_manifests / "dev.jsonl.gz")],
                },
                "output": str(tmp_path / "model"),
                "acoustic": {"num_layers": 1, "hidden_size": 24, "conv_channels": 4, "dropout": 0.1},
                "train": {
                    "epochs": 2,
                    "batch_seconds": 10,
                    "average": 2,
                    "precision": "fp32",
                    "num_workers": 0,
                    "augment": {"noise": "white", "noise_probability": 0.5},
                    "optimizer": {"learning_rate": 0.01},
                },
            }
        )
    )
    return path

from pathlib import Path

import pytest
import yaml


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

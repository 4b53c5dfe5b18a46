"""Average the weights of models, one of which was fine-tuned from another.

    python tools/average_models.py OUTPUT MODEL MODEL...

OUTPUT gets the settings of the last model; calibrate its confidences again. (Wortsman et al. 2022: the average of
models that were fine-tuned from one is often better than each.)
"""

import argparse
import shutil
from pathlib import Path

import numpy as np

from asr.model_files import WEIGHTS_FILE
from asr.recognize.model_folder import find_model
from asr.weights import read_weights, save_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("models", nargs="+", help="model folders, or names that `asr models` lists")
    options = parser.parse_args()
    folders = [find_model(model) for model in options.models]
    weights = [read_weights(folder / WEIGHTS_FILE) for folder in folders]
    shutil.copytree(folders[-1], options.output, ignore=shutil.ignore_patterns("run", WEIGHTS_FILE))
    average = {name: np.mean([one[name] for one in weights], axis=0).astype(np.float16) for name in weights[-1]}
    save_weights(average, options.output / WEIGHTS_FILE)


if __name__ == "__main__":
    main()

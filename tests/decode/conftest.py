"""What a trained network says of real speech."""

import pytest


@pytest.fixture(scope="session")
def an4_log_probs(an4_manifests):
    """AN4's test set under the model that comes with the package: references, (T, V) log probabilities, symbols."""
    # Heavy, and needed by these tests only.
    from asr.corpus.cuts import load_cuts
    from asr.evaluate.evaluate import collect_log_probs
    from asr.recognize.model_folder import list_models
    from asr.recognize.recognizer import load_model

    if "an4" not in list_models():
        pytest.skip("needs the model an4, which this checkout does not hold")
    recognizer = load_model("an4", device="cpu")
    references, log_probs = collect_log_probs(recognizer, load_cuts([an4_manifests / "test.jsonl.gz"]))
    return references, log_probs, recognizer.tokenizer.symbols

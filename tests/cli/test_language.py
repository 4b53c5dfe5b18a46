"""Language models and decoding on the command line: what is right works, what is wrong is reported in a line.

The network has learnt nothing: what it hears is noise, but how it is asked for must be right.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from asr.cli.app import app, main
from asr.config import ModelSettings
from asr.recognize.model_folder import save_model
from asr.recognize.recognizer import load_model
from tests.models import make_model
from tests.tones import write_corpus

RATE = 16000
TEXT = "Ab, ba!\nba ab ab\nab\na b\n"
ARPA = """\
\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1.5 <unk>
-99 <s> -0.5
-1 </s>
-0.5 ab -0.25

\\2-grams:
-0.1 <s> ab
-0.2 ab </s>

\\end\\
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder without a language model, a recording, a text and an ARPA file."""
    folder = tmp_path_factory.mktemp("cli")
    save_model(make_model(symbols=["<blank>", *" abc"]), folder / "model")
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE)
    soundfile.write(folder / "noise.wav", noise.astype(np.float32), RATE)
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "lm.arpa").write_text(ARPA, encoding="utf-8")
    return folder


class Outcome:
    """What a command printed, and how it ended."""

    def __init__(self, *arguments: object) -> None:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        self.exit_code, self.output, self.error = result.exit_code, result.stdout, result.exception


def ask(*arguments: object) -> str:
    """Standard output of a command that succeeds."""
    outcome = Outcome(*arguments)
    assert outcome.exit_code == 0, (outcome.output, outcome.error)
    return outcome.output


def refuse(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    """The one line by which a command says that it cannot be done."""
    monkeypatch.setattr(sys, "argv", ["asr", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    lines = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 1, lines
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, lines
    return errors[0]


def alternatives_of(folder: Path, *choices: object) -> list[tuple[float, str]]:
    """Return the n-best list of the recording."""
    lines = ask("transcribe", folder / "noise.wav", "--model", folder / "model", *choices).splitlines()
    return [(float(score), text) for score, text in (line.split("\t") for line in lines)]


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz", "lm.bin"])
def test_a_language_model_is_estimated_and_measured(folder: Path, tmp_path: Path, name: str):
    ask("lm", "estimate", folder / "text.txt", "--order", 2, "--prune", "0 0", "--output", tmp_path / name)
    measured = dict(line.split("\t") for line in ask("lm", "score", tmp_path / name, folder / "text.txt").splitlines())
    assert (measured["num_words"], measured["num_unknown"], measured["num_sentences"]) == ("12", "0", "4")
    assert 1 < float(measured["perplexity"]) < 6
    raw = ask("lm", "score", tmp_path / name, folder / "text.txt", "--raw")
    assert "num_unknown\t2" in raw  # "Ab," and "ba!"


def test_characters_are_predicted_too(folder: Path, tmp_path: Path):
    ask("lm", "estimate", folder / "text.txt", "--unit", "char", "--order", 3, "--output", tmp_path / "lm.bin")
    assert "num_words\t22" in ask("lm", "score", tmp_path / "lm.bin", folder / "text.txt", "--unit", "char")
    assert "num_words\t22" in ask("lm", "score", tmp_path / "lm.bin", folder / "text.txt")
    assert alternatives_of(folder, "--lm", tmp_path / "lm.bin", "--nbest", 2)


@pytest.mark.parametrize("name", ["mix.arpa", "mix.arpa.gz", "mix.bin"])
def test_language_models_are_mixed_and_pruned(folder: Path, tmp_path: Path, name: str):
    (tmp_path / "mine.txt").write_text("ba ba\nab ba\n", encoding="utf-8")
    parts = [tmp_path / "text.bin", tmp_path / "mine.arpa"]
    for text, output in zip((folder / "text.txt", tmp_path / "mine.txt"), parts, strict=True):
        ask("lm", "estimate", text, "--order", 2, "--output", output)
    ask("lm", "mix", *parts, "--dev", tmp_path / "mine.txt", "--output", tmp_path / name)
    perplexities = [perplexity(model, tmp_path / "mine.txt") for model in (*parts, tmp_path / name)]
    assert perplexities[2] <= min(perplexities) + 1e-3
    ask("lm", "mix", *parts, "--weights", "0,1", "--output", tmp_path / name)
    assert perplexity(tmp_path / name, tmp_path / "mine.txt") == pytest.approx(perplexities[1], rel=1e-3)
    ask("lm", "prune", tmp_path / name, "--keep", 0, "--output", tmp_path / "small.bin")
    assert perplexity(tmp_path / "small.bin", tmp_path / "mine.txt") > perplexities[1]


def perplexity(model: Path, text: Path) -> float:
    return float(dict(line.split("\t") for line in ask("lm", "score", model, text).splitlines())["perplexity"])


@pytest.mark.parametrize(
    ("models", "choices", "message"),
    [
        (["word.bin"], ["--weights", "1"], "one language model alone cannot be mixed; give two or more"),
        (["word.bin", "word.bin"], [], "nothing says how to weight the language models; give text to predict"),
        (["word.bin", "word.bin"], ["--weights", "a b"], "weights a b: expected numbers, such as '0.6 0.4'"),
        (["word.bin", "word.bin"], ["--weights", "1"], "weights 1 for 2 models; expected one for each"),
        (
            ["word.bin", "char.bin"],
            ["--weights", "1 1"],
            "char.bin predicts chars; models of words and of characters cannot be mixed",
        ),
    ],
)
def test_mixtures_that_make_no_sense_are_refused(folder, tmp_path, capsys, monkeypatch, models, choices, message):
    for unit in ("word", "char"):
        ask("lm", "estimate", folder / "text.txt", "--unit", unit, "--output", tmp_path / f"{unit}.bin")
    paths = [tmp_path / name for name in models]
    outcome = refuse(capsys, monkeypatch, "lm", "mix", *paths, *choices, "--output", tmp_path / "lm.bin")
    assert message in outcome
    outcome = refuse(capsys, monkeypatch, "lm", "prune", paths[0], "--keep", 1, "--output", tmp_path / "lm.txt")
    assert "expected a name that ends in .arpa, .arpa.gz, .bin" in outcome
    assert not (tmp_path / "lm.bin").exists()


def test_words_beyond_a_vocabulary_count_as_unknown(folder: Path, tmp_path: Path):
    (tmp_path / "lexicon.txt").write_text("ab AE B\nba B AE\n", encoding="utf-8")
    vocabulary = ["--vocabulary", tmp_path / "lexicon.txt"]
    ask("lm", "estimate", folder / "text.txt", *vocabulary, "--order", 2, "--output", tmp_path / "lm.bin")
    assert "num_unknown\t2" in ask("lm", "score", tmp_path / "lm.bin", folder / "text.txt")  # "a b"


def test_a_lexicon_is_made_of_a_dictionary_and_a_text(folder: Path, tmp_path: Path):
    (tmp_path / "some.dict").write_text("ab AE1 B\nb B IY1 # the letter\na AH0\n", encoding="utf-8")
    ask("lexicon", tmp_path / "some.dict", folder / "text.txt", "--least", 2, "--output", tmp_path / "lexicon.txt")
    lines = (tmp_path / "lexicon.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "ab\tAE B"
    assert [line.split()[0] for line in lines] == ["ab", "ba"]  # the dictionary lacks "ba"
    (tmp_path / "base.txt").write_text("b B IY\nab AA B\n", encoding="utf-8")
    more = ["--base", tmp_path / "base.txt", "--output", tmp_path / "more.txt"]
    ask("lexicon", tmp_path / "some.dict", folder / "text.txt", "--least", 2, *more)
    assert (tmp_path / "more.txt").read_text(encoding="utf-8").splitlines() == ["b\tB IY", "ab\tAA B", lines[1]]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (["text.txt", "-o", "new.txt"], "ends in .arpa, .arpa.gz, .bin"),
        (["text.txt", "-o", "text.txt/lm.arpa"], "cannot be written"),
        (["text.txt", "-o", "new.arpa", "--order", 11], "the order is 11"),
        (["text.txt", "-o", "new.arpa", "--prune", "0 many"], "expected whole numbers"),
        (["text.txt", "-o", "new.arpa", "--prune", "1"], "unigrams cannot be pruned"),
        (["text.txt", "-o", "new.arpa", "--prune", "0 -1"], "expected numbers of 0 or more"),
        (["text.txt", "-o", "new.arpa", "--unit", "syllable"], "there are: word, char"),
        (["missing.txt", "-o", "text.txt/lm.arpa"], "text.txt/lm.arpa: cannot be written"),  # before it is read
        (["missing.txt", "-o", "new.arpa"], "missing.txt: cannot be read: No such file"),
        (["noise.wav", "-o", "new.arpa"], "not UTF-8"),
        (["text.txt", "-o", "new.arpa", "--vocabulary", "empty.txt"], "empty.txt: holds no word"),
        (["empty.txt", "-o", "new.arpa"], "no word"),
    ],
)
def test_estimation_that_cannot_be_done_is_refused(folder, monkeypatch, capsys, choices, message):
    (folder / "empty.txt").touch()
    monkeypatch.chdir(folder)
    assert message in refuse(capsys, monkeypatch, "lm", "estimate", *choices)
    assert not (folder / "new.arpa").exists()


BROKEN = {
    "broken": (ARPA.replace("-0.1 <s>", "minus <s>"), "broken.arpa:12: expected a number, found 'minus'"),
    "truncated": (ARPA[:-6], "cut short"),
    "half": (ARPA.replace("-0.2 ab </s>\n", ""), "announces 2 2-grams, but after 1"),
    "mis-ordered": (
        "\\data\\\nngram 1=4\nngram 2=2\n\\2-grams:" + ARPA.split("\\2-grams:")[1],
        "expected \\1-grams:, found",
    ),
    "unspelled": (ARPA.replace(" ab", " XYZ"), "cannot spell any word of the language model or vocabulary"),
    "huge": (ARPA.replace("1=4", "1=123456789012345"), "more than memory can hold"),
    "empty": ("", "cut short"),
    "missing": (None, "No such file"),
    "folder": (None, "expected a file of n-grams, or such a folder"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("command", ["transcribe", "evaluate", "tune", "lm score"])
def test_broken_language_models_are_reported_by_every_command(folder, monkeypatch, capsys, tmp_path, kind, command):
    text, message = BROKEN[kind]
    path = tmp_path / f"{kind}.arpa"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    elif kind == "folder":
        path.mkdir()
    if command == "lm score":
        if kind == "unspelled":  # it knows of no alphabet
            return
        arguments = ["lm", "score", path, folder / "text.txt"]
    else:
        arguments = [command, folder / "noise.wav", "--model", folder / "model", "--lm", path]
    assert message in refuse(capsys, monkeypatch, *arguments)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (["--beam-size", 10**9], "beam_size: input should be less than or equal to"),
        (["--decoder", "viterbi"], "there are: greedy, beam"),
        (["--decoder", "greedy", "--beam-size", 4], "use beam search"),
        (["--decoder", "greedy", "--nbest", 2], "use beam search"),
        (["--hotword", "ab:1000"], "at most 100"),
        (["--hotword", ""], "hot word"),
    ],
)
@pytest.mark.parametrize("command", ["transcribe", "evaluate"])
def test_choices_that_make_no_sense_are_refused(folder, monkeypatch, capsys, command, choices, message):
    assert message in refuse(capsys, monkeypatch, command, folder / "noise.wav", "--model", folder / "model", *choices)


@pytest.mark.parametrize(
    "choices", [["--beam-size", "0"], ["--beam-size", "-3"], ["--beam-size", "x"], ["--nbest", "0"]]
)
def test_numbers_out_of_range_are_refused_before_anything_is_loaded(folder: Path, choices: list[str]):
    assert Outcome("transcribe", folder / "noise.wav", "--model", folder / "model", *choices).exit_code == 2


def test_alternatives_come_best_first_and_a_wide_beam_finds_as_good_ones(folder: Path):
    narrow, wide = (alternatives_of(folder, "--beam-size", size, "--nbest", 4) for size in (4, 200))
    for found in (narrow, wide):
        assert len({text for _, text in found}) == len(found) == 4
        assert [score for score, _ in found] == sorted((score for score, _ in found), reverse=True)
    assert wide[0][0] >= narrow[0][0] - 1e-3
    outcome = ask("transcribe", folder / "noise.wav", "--model", folder / "model", "--nbest", 2, "--format", "json")
    alternatives = json.loads(outcome)["alternatives"]
    assert [one["text"] for one in alternatives] == [text for _, text in alternatives_of(folder, "--nbest", 2)]


def test_hotwords_and_language_models_change_the_text(folder: Path):
    (score, plain), *others = alternatives_of(folder, "--nbest", 20)
    word = next(word for _, text in others for word in text.split() if word not in plain.split())
    (_, boosted), *_ = alternatives_of(
        folder, "--nbest", 2, "--hotword", f"{word.title()}!:20"
    )  # normalised as transcripts
    assert word in boosted.split()
    (modelled, _), *_ = alternatives_of(folder, "--nbest", 2, "--lm", folder / "lm.arpa")
    assert modelled < score - 1  # it knows one word only, and that was not said


def test_tuning_writes_its_result_into_the_folder_where_it_is_used(folder: Path, tmp_path: Path):
    for file in (folder / "model").iterdir():
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / file.name).write_bytes(file.read_bytes())
    write_corpus(tmp_path / "corpus", train=1, dev=3)
    from asr.corpus.prepare import prepare

    prepare("kaldi", tmp_path / "corpus", tmp_path / "cuts")
    # What is there is broken; what is given takes its place.
    (tmp_path / "model" / "lm.bin").write_bytes(b"ASRNGRAM")
    manifest = tmp_path / "cuts" / "dev.jsonl.gz"
    outcome = ask("tune", manifest, "--model", tmp_path / "model", "--lm", folder / "lm.arpa")
    saved = ModelSettings.load(tmp_path / "model" / "config.yaml").decoder
    weights = f"alpha {saved.alpha:g}, beta {saved.beta:g}, unknown words {saved.unknown_score:g}"
    assert outcome == f"{weights}, blank penalty {saved.blank_penalty:g}, beam size {saved.beam_size}\n"
    ask("evaluate", manifest, "--model", tmp_path / "model", "--json", tmp_path / "default.json")
    given = ["--decoder", "beam", "--lm", folder / "lm.arpa", "--beam-size", saved.beam_size]
    ask("evaluate", manifest, "--model", tmp_path / "model", "--json", tmp_path / "given.json", *given)
    default, explicit = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("default", "given"))
    assert default["word_edits"] == explicit["word_edits"]
    assert "oracle_wer" not in default
    outcome = ask("evaluate", manifest, "--model", tmp_path / "model", "--json", tmp_path / "best.json", "--nbest", 20)
    best = json.loads((tmp_path / "best.json").read_text())
    assert best["word_edits"] == default["word_edits"]
    assert best["oracle_wer"] <= best["wer"]
    assert f"best hypotheses: {best['oracle_wer']:.2%}" in outcome


def test_tuning_needs_a_language_model_and_a_manifest(folder, monkeypatch, capsys):
    for choices, message in (
        ([], "contains no language model"),
        (["--lm", folder / "lm.arpa"], "missing.jsonl.gz"),
    ):
        arguments = ["tune", "missing.jsonl.gz", "--model", folder / "model", *choices]
        assert message in refuse(capsys, monkeypatch, *arguments)


def test_a_real_process_tells_a_broken_language_model_in_a_line(folder: Path):
    command = [sys.executable, "-m", "asr", "lm", "score", str(folder / "noise.wav"), str(folder / "text.txt")]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("error: ")
    assert len(outcome.stderr.splitlines()) == 1


SMALL = ["--set", "network.hidden_size=12", "--set", "train.epochs=2", "--set", "train.precision=fp32"]


@pytest.fixture(scope="module")
def rnn(folder: Path) -> Path:
    """A recurrent language model of the recogniser's letters."""
    (folder / "lines.txt").write_text("ab ba\nba cab\nabba\n" * 30, encoding="utf-8")
    ask("lm", "train", folder / "lines.txt", "--output", folder / "rnn", *SMALL)
    return folder / "rnn"


def test_a_recurrent_model_is_trained_measured_and_asked(folder: Path, rnn: Path, tmp_path: Path):
    trained = (rnn / "model.safetensors").stat().st_mtime_ns
    ask("lm", "train", folder / "lines.txt", "--output", rnn, *SMALL, "--resume", "auto")
    assert (rnn / "model.safetensors").stat().st_mtime_ns == trained  # nothing was left to do
    measured = dict(line.split("\t") for line in ask("lm", "score", rnn, folder / "lines.txt").splitlines())
    assert (measured["num_lines"], measured["num_characters"]) == ("90", "540")
    assert 0 < float(measured["bits_per_character"]) < 3
    written = ask("lm", "generate", rnn, "--length", 40, "--temperature", 0.7, "--top-p", 0.9, "--seed", 3)
    assert written == ask("lm", "generate", rnn, "--length", 40, "--temperature", 0.7, "--top-p", 0.9, "--seed", 3)
    assert set(written) <= set("abc \n")
    assert ask("lm", "generate", rnn, "--prompt", "ab b", "--length", 3).startswith("ab b")
    words = [line.split("\t") for line in ask("lm", "complete", rnn, "ab b", "--count", 4).splitlines()]
    assert len(words) == 4
    assert all(word.startswith("b") for _, word in words)
    assert [float(p) for p, _ in words] == sorted((float(p) for p, _ in words), reverse=True)
    other = ["--dev", folder / "text.txt", "--from", rnn, *SMALL]
    ask("lm", "train", folder / "text.txt", "-o", tmp_path / "new", *other)
    assert "num_unknown\t0" in ask("lm", "score", tmp_path / "new", folder / "text.txt")


def test_numbers_are_written_as_words_where_that_is_asked_for(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "some.dict").write_text("seven S EH1 V AH0 N\ncall K AO1 L\n", encoding="utf-8")
    (tmp_path / "text.txt").write_text("call 7\ncall seven\n", encoding="utf-8")
    asked = ["--spell-out-numbers", "en"]
    ask("lexicon", tmp_path / "some.dict", tmp_path / "text.txt", *asked, "--output", tmp_path / "lexicon.txt")
    words = [line.split()[0] for line in (tmp_path / "lexicon.txt").read_text(encoding="utf-8").splitlines()]
    assert sorted(words) == ["call", "seven"]
    ask("lm", "estimate", tmp_path / "text.txt", *asked, "--output", tmp_path / "lm.arpa")
    arpa = (tmp_path / "lm.arpa").read_text(encoding="utf-8")
    assert "call seven" in arpa
    assert "call 7" not in arpa
    assert "num_unknown\t1" in ask("lm", "score", tmp_path / "lm.arpa", tmp_path / "text.txt")
    assert "num_unknown\t0" in ask("lm", "score", tmp_path / "lm.arpa", tmp_path / "text.txt", *asked)
    for command, output in (("estimate", "other.arpa"), ("train", "other")):
        arguments = ["lm", command, tmp_path / "text.txt", "--output", tmp_path / output, "--spell-out-numbers"]
        assert "leave one out" in refuse(capsys, monkeypatch, *arguments, "en", "--raw")
        assert "klingon" in refuse(capsys, monkeypatch, *arguments, "klingon")


@pytest.mark.parametrize(
    ("command", "option"),
    [("estimate", "--resume"), ("estimate", "--set"), ("estimate", "--dev"), ("train", "--order"), ("train", "--unit")],
)
def test_options_of_the_other_command_are_refused(folder: Path, command: str, option: str):
    assert Outcome("lm", command, folder / "text.txt", "-o", folder / "x", option, "1").exit_code == 2


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (["lines.txt", "-o", "rnn"], "is a trained model"),
        (["lines.txt", "-o", "new.bin"], "a recurrent model is a folder; for n-grams use asr lm estimate"),
        (["lines.txt", "-o", "new", "--resume=now"], "--resume=now: expected --resume or --resume auto"),
        (["lines.txt", "-o", "new", "--resume"], "no checkpoint to resume from"),
        (["lines.txt", "-o", "new", "--set", "network.depth=2"], "network.depth: no such setting"),
        (["lines.txt", "-o", "new", "--config", "missing.yaml"], "missing.yaml: cannot be read"),
        (["lines.txt", "-o", "new", "--from", "model"], "not a usable recurrent language model"),
        (["lines.txt", "-o", "new", "--dev", "empty.txt"], "there is no text"),
        (["empty.txt", "-o", "new"], "there is no text"),
        (["text.txt", "-o", "new", "--set", "train.dev_share=0.1"], "too few to hold out"),
    ],
)
def test_training_that_cannot_be_done_is_refused(folder, rnn, monkeypatch, capsys, choices, message):
    (folder / "empty.txt").touch()
    monkeypatch.chdir(folder)
    (rnn / "run" / "last.pt").unlink(missing_ok=True)
    assert message in refuse(capsys, monkeypatch, "lm", "train", *choices)
    assert not (folder / "new" / "model.safetensors").exists()


def test_numbers_and_folders_that_make_no_sense_are_refused(folder, rnn, monkeypatch, capsys):
    for arguments, message in (
        (["lm", "generate", folder / "model"], "not a usable recurrent language model"),
        (["lm", "complete", folder / "missing", "ab"], "cannot be read"),
        (["lm", "generate", rnn, "--top-p", 0], "top_p 0"),
    ):
        assert message in refuse(capsys, monkeypatch, *arguments)


def test_recurrent_models_score_in_the_search_and_in_a_second_pass(folder: Path, rnn: Path, monkeypatch, capsys):
    (plain, _), *_ = alternatives_of(folder, "--nbest", 2)
    fused = alternatives_of(folder, "--nbest", 3, "--lm", rnn)
    assert [score for score, _ in fused] == sorted((score for score, _ in fused), reverse=True)
    rescored = alternatives_of(folder, "--nbest", 3, "--rescore", rnn, "--lm", folder / "lm.arpa")
    assert [score for score, _ in rescored] == sorted((score for score, _ in rescored), reverse=True)
    assert len({plain, fused[0][0], rescored[0][0]}) == 3
    arguments = ["transcribe", folder / "noise.wav", "--model", folder / "model", "--decoder", "greedy"]
    assert "use beam search" in refuse(capsys, monkeypatch, *arguments, "--rescore", rnn)


def test_weights_in_eight_bits_are_half_as_large_and_say_the_same(folder: Path, rnn: Path, tmp_path: Path):
    shutil.copytree(folder / "model", tmp_path / "model")
    shutil.copytree(rnn, tmp_path / "model" / "rescore")
    sizes = [line.split("\t") for line in ask("quantize", tmp_path / "model").splitlines()]
    assert [Path(path).parent.name for path, _, _ in sizes] == ["model", "rescore"]
    before, after = (
        {path.parent.name: path.stat().st_size for path in place.glob("**/model.safetensors")}
        for place in (folder / "model", tmp_path / "model")
    )
    assert after["model"] < 0.7 * before["model"]
    said = [
        load_model(place).runner.compute_log_probs([soundfile.read(folder / "noise.wav", dtype="float32")[0]])[0]
        for place in (folder / "model", tmp_path / "model")
    ]
    assert 0 < np.abs(np.exp(said[0]) - np.exp(said[1])).mean() < 0.05
    before_score, after_score = (
        float(ask("lm", "score", place, folder / "text.txt").split("bits_per_character\t")[1].split()[0])
        for place in (rnn, tmp_path / "model" / "rescore")
    )
    assert after_score == pytest.approx(before_score, rel=0.05)


def test_a_model_of_the_package_keeps_its_weights(monkeypatch, capsys):
    assert "comes with the package" in refuse(capsys, monkeypatch, "quantize", "an4")


def test_tuning_a_second_pass_keeps_it_in_the_folder(folder: Path, rnn: Path, tmp_path: Path):
    shutil.copytree(folder / "model", tmp_path / "model")
    write_corpus(tmp_path / "corpus", train=1, dev=3)
    from asr.corpus.prepare import prepare

    prepare("kaldi", tmp_path / "corpus", tmp_path / "cuts")
    manifest = tmp_path / "cuts" / "dev.jsonl.gz"
    model = ["--model", tmp_path / "model"]
    ask("evaluate", manifest, *model, "--rescore", rnn, "--json", tmp_path / "before.json")
    outcome = ask("tune", manifest, *model, "--rescore", rnn)
    saved = ModelSettings.load(tmp_path / "model" / "config.yaml").rescoring
    assert f"rescoring: alpha {saved.alpha:g}, beta {saved.beta:g}, keep {saved.keep:g}" in outcome
    assert (tmp_path / "model" / "rescore" / "model.safetensors").read_bytes() == (
        rnn / "model.safetensors"
    ).read_bytes()
    assert not (tmp_path / "model" / "rescore" / "run").exists()
    ask("evaluate", manifest, *model, "--json", tmp_path / "default.json")
    ask("evaluate", manifest, *model, "--rescore", rnn, "--json", tmp_path / "given.json")
    before, default, given = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("before", "default", "given"))
    assert default["word_edits"] == given["word_edits"]
    assert default["wer"] <= before["wer"]

"""What recipes and documents call: makers of speech, comparisons, pictures, the check of a downloaded corpus."""

import ast
import importlib
import json
import lzma
import random
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("tools", "tools/benchmarks", "tools/voices", "recipes/an4")]

import average_models  # noqa: E402
import compare_results  # noqa: E402
import decoder as decoder_benchmark  # noqa: E402
import draw_training  # noqa: E402
import espeak  # noqa: E402
import flite  # noqa: E402
import language_models  # noqa: E402
import make_synthetic_speech as synthetic  # noqa: E402
import pronounce  # noqa: E402
import pyctcdecode_worker  # noqa: E402
import run_cases  # noqa: E402
import summarize  # noqa: E402
import verify  # noqa: E402
from make_samples import SAMPLES  # noqa: E402

from asr.corpus.prepare import prepare  # noqa: E402
from asr.language.load import save_ngram  # noqa: E402
from asr.language.ngram.kneser_ney import estimate  # noqa: E402
from asr.weights import read_weights, save_weights  # noqa: E402


def imported_names() -> Iterator[tuple[str, str, str]]:
    """Each file that is not part of the package, with a module of the package that it imports from, and a name."""
    for path in sorted(path for folder in ("tools", "recipes") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "asr":
                yield from ((str(path.relative_to(ROOT)), node.module, name.name) for name in node.names)


def test_tools_import_what_the_package_has():
    missing = []
    for path, module, name in imported_names():
        try:
            found = hasattr(importlib.import_module(module), name)
        except ModuleNotFoundError:
            found = False
        if not found:
            missing.append(f"{path}: {module}.{name}")
    assert missing == []


def test_phrases_are_drawn_by_seed_and_never_those_of_the_samples():
    phrases = [synthetic.draw_phrase(random.Random(seed)) for seed in range(300)]
    assert phrases == [synthetic.draw_phrase(random.Random(seed)) for seed in range(300)]
    assert not set(phrases) & set(SAMPLES.values())
    assert len(set(phrases)) > 200
    words = {word for phrase in phrases for word in phrase.split()}
    assert set("abcdefghijklmnopqrstuvwxyz") <= words
    assert {"erase", "seven", "nineteen", "hundred"} <= words
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words)


@pytest.mark.parametrize(
    ("spoken", "phones"),
    [
        ("f_'A:_t_3", "F AA T ER"),
        ("ts_v_'E_l_f", "T S V EH L F"),
        ("k_'W_l_n", "K OE L N"),
        ("_!_'y:_b_U_N", "y: B UH NG"),
        ("S_t_,UR_m", "SH T UH R M"),
        ("(en)_a#_k_'aU_n_t_(de)", "a K AW N T"),
        ("_'0_", "AO"),
        ("_:_1_;", ""),
        ("k_'o_S;", "K o S;"),  # Polish: palatalised, unlike that of the next word
        ("k_'o_S", "K o SH"),
        ("s_'a_AY_a", "S a AY_ a"),  # a name that the dictionary gives another phone
    ],
)
def test_phones_of_english_have_the_names_of_its_dictionary(spoken: str, phones: str):
    assert pronounce.name_phones(spoken) == phones
    tokens = (ROOT / "asr" / "models" / "english" / "tokens.txt").read_text(encoding="utf-8").split()
    assert set(tokens) - {"<blank>"} - {f"|{number}" for number in range(1, 9)} == pronounce.CMU - {"OE", "OE:"} | {
        "AE"
    }


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_words_of_texts_are_pronounced_one_by_one(tmp_path: Path, monkeypatch):
    (tmp_path / "a.txt").write_text("Der Vater, 12 Väter!\n", encoding="utf-8")
    unknown = "\ua800"  # a letter that espeak-ng does not know
    (tmp_path / "b.txt").write_text(f"der {unknown} Account\n", encoding="utf-8")
    output = tmp_path / "dictionary.txt"
    arguments = [
        tmp_path / "a.txt",
        tmp_path / "b.txt",
        "--voice",
        "de",
        "--spell-out-numbers",
        "de",
        "--output",
        output,
    ]
    monkeypatch.setattr(sys, "argv", ["pronounce.py", *map(str, arguments)])
    pronounce.main()
    entries = dict(line.split(" ", 1) for line in output.read_text(encoding="utf-8").splitlines())
    assert list(entries) == ["der", "vater", "zwölf", "väter", "account"]
    assert entries["vater"] == "F AA T ER"
    assert entries["zwölf"] == "T S V OE L F"
    monkeypatch.setattr(sys, "argv", ["pronounce.py", *map(str, [*arguments[:3], "no-such-language", *arguments[4:]])])
    with pytest.raises(SystemExit, match="no-such-language"):
        pronounce.main()


def test_signs_and_foreign_scripts_are_not_pronounced():
    german = [f"wört{number}" for number in range(150)]
    assert pronounce.leave_out_foreign([*german, "12", "♥", "你好", "тест", "geht's"]) == [*german, "12", "geht's"]
    assert pronounce.leave_out_foreign(["да", "нет", "ok"]) == ["да", "нет", "ok"]


def test_letters_are_spelled_and_words_are_spoken():
    assert [espeak.pronounce(word) for word in ["a", "b", "go"]] == ["[['eI]]", "B", "go"]


def test_lines_that_fit_in_a_breath_are_drawn_from_all_over_a_text(tmp_path: Path):
    lines = [" ".join(["word"] * (number % 25) + [str(number)]) for number in range(1000)]
    (tmp_path / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    with lzma.open(tmp_path / "text.txt.xz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines))
    drawn = synthetic.draw_lines(tmp_path / "text.txt", 100, random.Random(1))
    assert drawn == synthetic.draw_lines(tmp_path / "text.txt.xz", 100, random.Random(1))
    assert len(set(drawn)) == 100
    assert set(drawn) <= set(lines)
    assert {len(line.split()) for line in drawn} == set(range(4, 19))
    numbers = [int(line.split()[-1]) for line in drawn]
    assert min(numbers) < 200
    assert max(numbers) > 800
    with pytest.raises(SystemExit, match="only 600 lines have 4 to 18 words"):
        synthetic.draw_lines(tmp_path / "text.txt", 601, random.Random(1))


@pytest.mark.skipif(shutil.which("flite") is None, reason="needs the program flite")
def test_a_stretched_voice_speaks_longer():
    short, long = (flite.speak("where is the station", "slt", duration=duration) for duration in (0.8, 1.25))
    assert 0.5 < len(short) / flite.RATE < 3
    assert 1.3 < len(long) / len(short) < 1.7


def test_the_samples_that_ship_are_sixteen_thousand_hertz():
    for name in SAMPLES:
        info = soundfile.info(ROOT / "recipes" / "an4" / "samples" / f"{name}.flac")
        assert (info.samplerate, info.channels) == (16000, 1)


@pytest.mark.corpora
def test_the_corpus_at_hand_is_the_one_of_the_results(corpora: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["verify", str(corpora / "an4")])
    verify.main()


def test_another_corpus_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "etc").mkdir()
    for name in verify.TEXT_DIGESTS:
        (tmp_path / "etc" / name).write_text("")
    monkeypatch.setattr(sys, "argv", ["verify", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"differs .* an4_train\.transcription"):
        verify.main()


def test_the_decoders_are_compared_on_what_the_network_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    samples = ROOT / "recipes" / "an4" / "samples"
    texts = dict(line.split("\t") for line in (samples / "transcripts.txt").read_text().splitlines())
    lines = [f"{samples / name}.flac\t{text}\n" for name, text in texts.items()]
    for part in ("dev", "test"):
        (tmp_path / f"{part}.tsv").write_text("".join(lines[:2]))
    prepare("tsv", tmp_path, tmp_path)
    with estimate(lambda: [text.split() for text in texts.values()], 2) as tables:
        save_ngram(tables, tmp_path / "lm.arpa")
    monkeypatch.setattr(decoder_benchmark, "GRID", decoder_benchmark.GRID[:2])
    monkeypatch.setattr(pyctcdecode_worker, "MEASURED_SECONDS", 0.0)
    files = [str(tmp_path / name) for name in ("lm.arpa", "dev.jsonl.gz", "test.jsonl.gz")]
    output = tmp_path / "rows.json"
    monkeypatch.setattr(
        sys, "argv", ["decoder.py", "--set", "samples", "an4", *files, "--beams", "8", "--json", str(output)]
    )
    decoder_benchmark.main()
    rows = json.loads(output.read_text())["rows"]
    assert {"decoder", "set", "beam", "us_per_frame", "wer"} <= rows[0].keys()
    ours = {row["decoder"]: row["wer"] for row in rows if row["decoder"].startswith("asr")}
    assert len(ours) == 8
    assert set(ours.values()) == {0.0}


def test_results_are_held_against_the_first(tmp_path: Path, monkeypatch, capsys):
    said = [f"one two {number}" for number in range(50)]
    for name, hypotheses in (("a", said[:40] + ["one"] * 10), ("b", said), ("c", said[::-1])):
        rows = zip(range(50), said, hypotheses, strict=True)
        (tmp_path / f"{name}.tsv").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    (tmp_path / "other.tsv").write_text("1\tone\tone\n")
    monkeypatch.setattr(sys, "argv", ["compare_results", *(str(tmp_path / f"{name}.tsv") for name in "abc")])
    compare_results.main()
    a, b, c = (line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:])
    assert (a[0], a[1]) == ("| a", "13.3%")  # two words of three, in a fifth of the utterances
    assert b[1] == "0.0%"
    assert b[3].startswith("-13.3% (-2")  # surely better
    assert b[3].rstrip(" |").endswith("%)")
    assert "to -" in b[3]
    assert c[3].startswith("+20.0%")  # another number in each utterance: a third
    monkeypatch.setattr(sys, "argv", ["compare_results", str(tmp_path / "a.tsv"), str(tmp_path / "other.tsv")])
    with pytest.raises(SystemExit, match="not the utterances of"):
        compare_results.main()


def test_weights_are_averaged_and_settings_are_the_last_ones(tmp_path: Path, monkeypatch):
    for name, value in (("a", 1.0), ("b", 4.0)):
        (tmp_path / name / "run").mkdir(parents=True)
        (tmp_path / name / "config.yaml").write_text(f"output: {name}\n", encoding="utf-8")
        save_weights({"layer": np.full((2, 3), value)}, tmp_path / name / "model.safetensors")
    monkeypatch.setattr(sys, "argv", ["average_models", *(str(tmp_path / name) for name in ("c", "a", "b"))])
    average_models.main()
    assert (read_weights(tmp_path / "c" / "model.safetensors")["layer"] == 2.5).all()
    assert (tmp_path / "c" / "config.yaml").read_text(encoding="utf-8") == "output: b\n"
    assert not (tmp_path / "c" / "run").exists()


def test_a_training_is_drawn_and_of_an_epoch_done_twice_the_last_counts(tmp_path: Path, monkeypatch):
    rates = [(0, 0.9), (0, 0.8), (1, 0.0)]
    entries = [{"step": 1, "loss": 3.0}]
    entries += [{"epoch": epoch, "loss": 2.0, "dev_loss": 2.5, "dev_wer": rate} for epoch, rate in rates]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert [epoch["dev_wer"] for epoch in draw_training.read_epochs(tmp_path)] == [0.8, 0.0]
    picture = tmp_path / "pictures" / "curve.png"
    monkeypatch.setattr(sys, "argv", ["draw_training", str(tmp_path), "--output", str(picture)])
    draw_training.main()
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit, match="expected a folder that asr train wrote"):
        draw_training.read_epochs(tmp_path / "other")


def test_runs_are_summarized_with_mean_and_spread(tmp_path: Path, monkeypatch, capsys):
    for seed, rate in ((1, 0.05), (2, 0.07)):
        result = {"wer": rate, "wer_interval": [rate - 0.01, rate + 0.01], "cer": rate / 2}
        (tmp_path / f"{seed}.json").write_text(json.dumps(result), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["summarize", *(str(tmp_path / f"{seed}.json") for seed in (1, 2))])
    summarize.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("WER 5.00% (4.00% to 6.00%)\tCER 2.50%")
    assert lines[2] == "mean of 2: WER 6.00%, standard deviation 1.41%"


def test_the_comparison_of_language_models_copies_none(tmp_path: Path, monkeypatch):
    original = tmp_path / "model"
    for name in ("lm", "rescore", "run"):
        (original / name).mkdir(parents=True)
    for name in ("lm.bin", "lm.arpa.gz", "lm.arpa", "config.yaml"):
        (original / name).touch()
    monkeypatch.setattr(language_models, "find_model", Path)
    monkeypatch.setattr(language_models, "tune", lambda *paths, **options: "")
    options = Namespace(model=original, lm=None, rnn=None, dev=None)
    folders = language_models.tune_folders(options, tmp_path / "scratch", Console(quiet=True))
    assert {path.name for folder in folders.values() for path in folder.iterdir()} == {"config.yaml"}


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [
        ('cat IN.txt (a remark) => "hello", not "bye"', "right"),
        ('cat IN.txt => "good day"; not "hello"', "read"),
        ("echo 'Traceback (most recent call last):' >&2; exit 1 => one line", "wrong"),
        ("sleep 9 => it ends", "wrong"),
        ('sh run.sh (root) => prints where the settings are: "own-data.yaml"', "right"),
    ],
)
def test_reported_cases_are_judged(tmp_path, monkeypatch, capsys, expect, verdict):
    case = tmp_path / "some-case"
    case.mkdir()
    (case / "expect.txt").write_text(expect)
    (case / "IN.txt").write_text("hello\n")
    (case / "run.sh").write_text("ls CONF/own-data.yaml")
    monkeypatch.setattr(run_cases, "TIMEOUT", 1)
    assert run_cases.run_case(case, verbose=False) == verdict
    printed = capsys.readouterr().out
    assert printed.startswith(verdict)
    assert printed.count("\n") == 1
    assert expect.partition("=>")[2] in printed
    assert {path.name for path in case.iterdir()} == {"expect.txt", "IN.txt", "run.sh"}


def test_a_known_case_is_judged_by_its_rule(tmp_path):
    outcome = run_cases.Outcome(0, "1\n00:00:00,160 --> 00:00:03,495\nbut the &lt;gate&gt;\n", "", tmp_path)
    assert run_cases.RULES["srt-markup-in-text"](outcome)
    raw = run_cases.Outcome(0, "1\n00:00:00,160 --> 00:00:03,495\nbut --> the\n", "", tmp_path)
    assert not run_cases.RULES["srt-markup-in-text"](raw)

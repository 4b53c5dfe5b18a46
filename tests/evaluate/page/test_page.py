"""The page of results: its counts against counting by hand and scipy, its parts against other readers."""

import base64
import io
import json
import math
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import stats

from asr.errors import CorpusError
from asr.evaluate.evaluate import Evaluation, UtteranceDetails
from asr.evaluate.page.confusions import align_words, count_confusions
from asr.evaluate.page.examples import draw_spectrogram, encode_flac, list_spikes
from asr.evaluate.page.groups import group_by_confidence, group_by_length, group_by_speaker
from asr.evaluate.page.png import encode_grey
from asr.evaluate.page.render import write_page
from asr.evaluate.page.results import SystemResult, UtteranceResult, pair_utterances, read_results
from asr.evaluate.page.significance import compute_matched_pairs, compute_mcnemar, run_tests
from asr.evaluate.report import to_json, write_json, write_texts
from asr.evaluate.wer import Edits, score_utterances
from asr.reporter import Reporter
from asr.transcript.transcript import Word
from tests.live.browser import Tab, browse, find_chromium

SAMPLES = Path(__file__).parents[3] / "recipes" / "an4" / "samples"
TEXTS = dict(line.split("\t") for line in (SAMPLES / "transcripts.txt").read_text().splitlines())


class Lines(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str, tone: str = "plain") -> None:
        self.lines.append(text)


def make_evaluation(hypotheses: dict[str, str], confidence: float | None = 0.9) -> Evaluation:
    """An evaluation of the samples that come with the project."""
    names = sorted(hypotheses)
    references = [TEXTS[name] for name in names]
    texts = [hypotheses[name] for name in names]
    details = []
    for name, text in zip(names, texts, strict=True):
        path = SAMPLES / f"{name}.flac"
        words = tuple(Word(word, 0.2 * at, 0.2 * at + 0.2, confidence) for at, word in enumerate(text.split()))
        details.append(UtteranceDetails(str(path), 0.0, soundfile.info(path).duration, None, f"{name[0]} <b>", words))
    return Evaluation(names, references, texts, score_utterances(references, texts), 0.01, details=tuple(details))


@pytest.fixture
def results(tmp_path: Path) -> list[Path]:
    """Two systems on the samples: one wrong in each, one only in "number"."""
    first = make_evaluation({name: f"{text} <script>alert(1)</script>" for name, text in TEXTS.items()})
    second = make_evaluation(TEXTS | {"number": TEXTS["number"].rpartition(" ")[0]}, confidence=None)
    paths = [tmp_path / "first.json", tmp_path / "second.json"]
    write_json(paths[0], to_json(first, "an4"))
    write_json(paths[1], to_json(second, str(tmp_path / "nowhere")))
    return paths


def test_a_result_is_read_as_it_was_written(results: list[Path]):
    (result,) = read_results(results[:1])
    expected = make_evaluation({name: f"{text} <script>alert(1)</script>" for name, text in TEXTS.items()})
    assert (result.label, result.model) == ("first", "an4")
    assert [one.name for one in result.utterances] == expected.utterances
    assert result.rates == expected.rates
    details = expected.details[0]
    utterance = result.utterances[0]
    assert (utterance.audio, utterance.duration, utterance.speaker) == (
        details.audio,
        details.duration,
        details.speaker,
    )
    assert utterance.words[1] == replace(details.words[1], start=0.2, end=0.4)
    assert utterance.confidence == pytest.approx(0.9)


def test_texts_and_results_of_earlier_versions(tmp_path: Path):
    evaluation = make_evaluation(TEXTS)
    write_texts(tmp_path / "texts.tsv", evaluation)
    (result,) = read_results([tmp_path / "texts.tsv"])
    assert result.rates.word_edits == evaluation.rates.word_edits
    assert group_by_speaker(result) == group_by_confidence(result) == []
    assert [group.label.endswith("words") or "words and" in group.label for group in group_by_length(result)]
    (tmp_path / "old.json").write_text(json.dumps({"wer": 0.5}))
    (tmp_path / "other.json").write_text("{]")
    (tmp_path / "other.txt").write_text("hello\n")
    for name, reason in (("old.json", "no utterances"), ("other.json", "not a result"), ("other.txt", "neither")):
        with pytest.raises(CorpusError, match=reason):
            read_results([tmp_path / name])


def test_labels_are_unique(tmp_path: Path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_texts(tmp_path / folder / "test.tsv", make_evaluation(TEXTS))
    paths = [tmp_path / "a" / "test.tsv", tmp_path / "b" / "test.tsv"]
    assert [one.label for one in read_results(paths)] == ["a/test", "b/test"]
    assert [one.label for one in read_results(paths[:1] * 2)] == ["1: test", "2: test"]


def utterance(reference: str, hypothesis: str, **details: object) -> UtteranceResult:
    return UtteranceResult("u", reference, hypothesis, **details)  # type: ignore[arg-type]


def test_groups_share_out_the_errors():
    rows = [("a b", "a b", 1.0, "x"), ("a b", "a c", 2.0, "x"), ("c d e", "c", 3.9, "y"), ("d", "d e", 40.0, None)]
    utterances = [utterance(ref, hyp, duration=seconds, speaker=who) for ref, hyp, seconds, who in rows]
    result = SystemResult("s", None, utterances)
    assert [(g.label, g.utterances, g.words, g.wer) for g in group_by_speaker(result)] == [
        ("y", 1, 3, pytest.approx(2 / 3)),
        ("x", 2, 4, pytest.approx(1 / 4)),
    ]
    groups = group_by_length(result)
    assert [(g.label, g.utterances) for g in groups] == [("under 2 s", 1), ("2 to 4 s", 2), ("16 s and more", 1)]
    assert sum(group.wer * group.words for group in groups) == pytest.approx(result.rates.word_edits.errors)


def test_confusions_are_counted():
    found = count_confusions([utterance("a b c", "a x c d"), utterance("b b", "x"), utterance("c", "c d")])
    pairs = Counter(dict(found.substituted))
    assert pairs == {("b", "x"): 2}
    assert found.deleted == [("b", 1)]
    assert found.inserted == [("d", 2)]


def test_aligned_words_are_both_texts():
    pairs = align_words("a b c d", "x a c e e")
    assert " ".join(filter(None, (pair.reference for pair in pairs))) == "a b c d"
    assert " ".join(filter(None, (pair.hypothesis for pair in pairs))) == "x a c e e"
    assert sum(pair.kind != "equal" for pair in pairs) == 4


def test_paired_tests_agree_with_scipy():
    rng = np.random.default_rng(1)
    differences = rng.integers(-2, 3, 4000) - (rng.random(4000) < 0.03)
    expected = stats.ttest_1samp(differences, 0).pvalue  # Student's t is normal with so many
    assert compute_matched_pairs(differences.tolist()) == pytest.approx(expected, rel=0.01)
    assert compute_matched_pairs([0, 0, 0]) == compute_matched_pairs([]) == 1
    assert compute_matched_pairs([1, 1, 1]) == 0
    tail = sum(math.comb(12, wrong) for wrong in range(3)) / 2**12
    assert compute_mcnemar(2, 10) == pytest.approx(2 * tail)
    assert compute_mcnemar(0, 0) == 1


def test_a_better_system_is_found_and_an_equal_one_is_not():
    first = [Edits(10, 2, 0, 0)] * 50 + [Edits(10, 0, 0, 0)] * 50
    tests = run_tests(first, [Edits(10, 1, 0, 0)] * 50 + [Edits(10, 0, 0, 0)] * 50)
    assert tests.is_significant
    assert tests.comparison.difference == pytest.approx(-0.05)
    assert tests.matched_pairs < 1e-6
    assert (tests.mcnemar, tests.only_first_wrong, tests.only_second_wrong) == (1, 0, 0)
    assert not run_tests(first, first[::-1]).is_significant


def test_only_equal_utterances_are_compared():
    first = SystemResult("a", None, [UtteranceResult(name, name, "") for name in ("u", "v", "w")])
    second = SystemResult("b", None, [UtteranceResult("w", "w", ""), UtteranceResult("v", "other", "")])
    pairs = pair_utterances(first, second)
    assert (pairs.first, pairs.second, pairs.left_out) == ([2], [0], 2)


def test_pictures_are_read_by_another_reader():
    from matplotlib.image import imread

    pixels = np.random.default_rng(0).integers(0, 256, (7, 13)).astype(np.uint8)
    assert np.array_equal(np.round(255 * imread(io.BytesIO(encode_grey(pixels)))), pixels)


def test_a_tone_is_a_dark_line_at_its_height():
    seconds = np.arange(16000) / 16000
    low, high = (
        draw_spectrogram(np.sin(2 * np.pi * hertz * seconds).astype(np.float32), 16000) for hertz in (300, 3000)
    )
    rows = [int(np.median(picture.argmin(0))) for picture in (low, high)]
    assert low.shape[0] == 80
    assert rows[0] > rows[1] + 20  # row 0 is the highest frequency
    assert draw_spectrogram(np.zeros(3, np.float32), 16000).shape[0] == 80


def test_sound_survives():
    waveform = np.linspace(-1, 1, 1600, dtype=np.float32)
    samples, rate = soundfile.read(io.BytesIO(encode_flac(waveform, 8000)), dtype="float32")
    assert rate == 8000
    assert np.abs(samples - waveform).max() < 1e-4


def test_spikes_lie_where_tokens_are_probable():
    probabilities = np.array([[0.9, 0.06, 0.04], [0.1, 0.6, 0.3], [0.06, 0.9, 0.04], [0.8, 0.2, 0.0], [0.2, 0.0, 0.8]])
    with np.errstate(divide="ignore"):
        spikes = list_spikes(np.log(probabilities), ["-", "a", "b"], 0.04, 0.01)
    peaks = [(round(spike.seconds, 3), spike.symbol) for spike in spikes if spike.is_peak]
    assert peaks == [(0.09, "a"), (0.17, "b")]  # of the two frames of "a", the more probable
    assert {(round((s.seconds - 0.01) / 0.04), s.symbol): pytest.approx(s.probability) for s in spikes} == {
        (0, "a"): 0.06,
        (1, "a"): 0.6,
        (1, "b"): 0.3,
        (2, "a"): 0.9,
        (3, "a"): 0.2,
        (4, "b"): 0.8,
    }


class Parts(HTMLParser):
    """Tags and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "rect", "line", "image", "circle", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()


def test_the_page_is_whole_and_of_itself(results: list[Path], tmp_path: Path):
    reporter = Lines()
    write_page(results, tmp_path / "made" / "page.html", worst=2, reporter=reporter)
    text = (tmp_path / "made" / "page.html").read_text(encoding="utf-8")
    parts = Parts(text)
    assert parts.open == []  # every tag is closed
    assert parts.tags["script"] == 1  # texts stay texts
    assert "&lt;script&gt;alert(1)" in text
    assert parts.tags["audio"] == 2
    assert all(address.startswith("data:") for address in parts.addresses)
    assert re.findall(r"https?://(?!www\.w3\.org)", text) == []
    sound = next(address for address in parts.addresses if address.startswith("data:audio/flac;base64,"))
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sound.partition(",")[2])))
    assert rate == 16000
    assert len(samples) > 10_000
    assert 'class="spike peak"' in text  # of the model that can be loaded
    assert len(reporter.lines) == 1
    assert "second: no CTC spikes" in reporter.lines[0]


def test_the_page_says_the_rates_of_the_evaluation(results: list[Path], tmp_path: Path):
    write_page(results, tmp_path / "page.html", worst=0)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    for path in results:
        written = json.loads(path.read_text(encoding="utf-8"))
        assert f"<td>{written['wer']:.2%}</td>" in text
        assert "{:.2%} to {:.2%}".format(*written["wer_interval"]) in text
    assert "makes fewer word errors than" in text


def test_recordings_that_are_gone_are_left_out_and_reported(results: list[Path], tmp_path: Path):
    reporter = Lines()
    results[0].write_text(results[0].read_text(encoding="utf-8").replace(str(SAMPLES), "/nowhere"), encoding="utf-8")
    write_page(results[:1], tmp_path / "page.html", worst=1, reporter=reporter)
    assert "<audio" not in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert ["no sound" in line for line in reporter.lines] == [True]


def test_systems_without_a_common_utterance_are_refused(tmp_path: Path):
    (tmp_path / "a.tsv").write_text("u\tone\ttwo\n")
    (tmp_path / "b.tsv").write_text("u\tother\ttwo\n")
    with pytest.raises(CorpusError, match="share no utterance"):
        write_page([tmp_path / "a.tsv", tmp_path / "b.tsv"], tmp_path / "page.html", worst=0)


@pytest.mark.skipif(find_chromium() is None, reason="needs Chromium: apt install chromium")
def test_a_browser_plays_the_sound_and_follows_light_and_dark(results: list[Path], tmp_path: Path):
    page = tmp_path / "page.html"
    write_page(results, page, worst=1)

    async def visit(tab: Tab) -> list[str]:
        await tab.wait_for("document.querySelector('audio')?.duration > 0.5")
        await tab.evaluate("document.querySelector('audio').currentTime = 0.5; 0")
        await tab.wait_for("Number(document.querySelector('.cursor').getAttribute('x1')) > 0")
        grounds = []
        for scheme in ("light", "dark"):
            await tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            grounds.append(await tab.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert await tab.evaluate("performance.getEntriesByType('resource').length") == 0
        return grounds

    light, dark = (
        sum(map(int, re.findall(r"\d+", ground))) for ground in browse(page.as_uri(), tmp_path / "silent.wav", visit)
    )
    assert light > 600
    assert dark < 150

"""ARPA files that are right, and every way in which they are wrong."""

import gzip

import pytest

from asr.errors import ModelError
from asr.language.load import load_ngram, save_ngram
from asr.language.ngram.arpa import read_arpa

GOOD = """\
made by hand

\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1.5 <unk>
-99\t<s>\t-0.5
-1\t</s>
-0.5 a -0.25

\\2-grams:
-0.1 <s> a
-0.2 a </s>

\\end\\
"""


def write(tmp_path, text, name="lm.arpa"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_tabs_and_spaces_and_a_preamble_are_fine(tmp_path):
    tables = read_arpa(write(tmp_path, GOOD))
    assert tables.words == ["<unk>", "<s>", "</s>", "a"]
    assert tables.orders[0].backoffs.tolist() == pytest.approx([0, -0.5, 0, -0.25])
    assert tables.orders[1].ngrams.tolist() == [[1, 3], [3, 2]]


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
@pytest.mark.parametrize("preamble", ["", "made by hand\n"])
def test_a_byte_order_mark_is_no_text(tmp_path, preamble, name):
    path = write(
        tmp_path, "\ufeff" + preamble + GOOD.lstrip().partition("\n\n")[2] if preamble else "\ufeff" + GOOD, name
    )
    path.write_bytes(gzip.compress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes())
    assert read_arpa(path).words == ["<unk>", "<s>", "</s>", "a"]


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u2028", "\x0b", "\x85", "\x1c"])
@pytest.mark.parametrize("pattern", ["b{}c", "{}b", "b{}"])
def test_only_ascii_blanks_separate_words(tmp_path, space, pattern):
    word = pattern.format(space)
    path = write(
        tmp_path,
        GOOD.replace("-0.5 a ", f"-0.5\t{word}\t").replace(" a\n", f" {word}\n").replace("a </s>", f"{word} </s>"),
    )
    model = load_ngram(path)
    assert list(model.words).count(word) == 1
    for name in ("copy.arpa", "copy.bin"):
        save_ngram(model, tmp_path / name)
        assert list(load_ngram(tmp_path / name).words) == list(model.words)


def test_infinite_scores_become_very_small_ones(tmp_path):
    assert read_arpa(write(tmp_path, GOOD.replace("-99", "-inf"))).orders[0].scores[1] == -100


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\end\\", "", "cut short"),
        ("-0.2 a </s>\n", "", r"lm\.arpa:16: \\data\\ announces 2 2-grams, but after 1 of them comes '\\\\end\\\\'"),
        ("ngram 2=2", "ngram 2=1", r"lm\.arpa:15: expected \\end\\ after the 2-grams, found '-0.2 a </s>'"),
        ("ngram 2=2", "ngram 3=2", "expected the number of 2-grams"),
        ("\\data\\", "\\dota\\", r"expected \\data\\"),
        ("\\2-grams:", "\\3-grams:", "expected .2-grams:"),
        ("ngram 1=4", "ngram 1=0", "at least one unigram"),
        ("ngram 1=4", "ngram 1=1000000000000000", "announces 1000000000000000 1-grams, more than memory can hold"),
        ("ngram 2=2", f"ngram 2={'9' * 5000}", r"expected \\1-grams:, found 'ngram 2=999"),
        ("-0.1 <s> a\n-0.2 a </s>", "-0.2 a </s>\n\\1-grams:\n-0.1 a", r"after 1 of them comes '\\\\1-grams:'"),
        ("-0.1 <s> a", "-0.1 <s> b", r"lm\.arpa:14: the word 'b' is in no unigram"),
        ("-0.1 <s> a", "0.1 <s> a", "at most 0, found '0.1'"),
        ("-0.1 <s> a", "nan <s> a", "finite number, found 'nan'"),
        ("-0.1 <s> a", "minus <s> a", "expected a number, found 'minus'"),
        ("-0.1 <s> a", "-2000 <s> a", r"lm\.arpa:14: expected a log10 between -1000 and 10, found '-2000'"),
        ("-0.5 a -0.25", "-0.5 a 1e30", r"lm\.arpa:11: expected a log10 between -1000 and 10, found '1e30'"),
        ("-0.1 <s> a", "-0.1 <s>", "2 words"),
        ("-0.1 <s> a", "-0.1 <s> a -0.3", "2 words"),
        ("-0.5 a -0.25", "-0.5 <s> -0.25", r"lm\.arpa:11: the unigram '<s>' appears twice"),
    ],
)
def test_broken_files_are_refused_by_line(tmp_path, old, new, message):
    with pytest.raises(ModelError, match=message):
        read_arpa(write(tmp_path, GOOD.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("-0.1 <s> a", "-0.1 a </s>", r"lm\.arpa: the n-gram 'a </s>' appears twice"),
        (
            "-0.2 a </s>\n",
            "-0.2 a </s>\n\n\\3-grams:\n-0.1 a a a\n",
            r"lm\.arpa: the n-gram 'a a a' has no entry for its context",
        ),
    ],
)
def test_ngrams_that_do_not_fit_together_are_refused_by_file(tmp_path, old, new, message):
    text = GOOD.replace(old, new, 1)
    text = text.replace("ngram 2=2", "ngram 2=2\nngram 3=1") if "3-grams" in new else text
    with pytest.raises(ModelError, match=message):
        load_ngram(write(tmp_path, text))


def test_sections_out_of_order_are_refused(tmp_path):
    head, unigrams, bigrams = (
        GOOD.replace("\\end\\\n", "").split("\n\\")[0],
        *GOOD.split("\\1-grams:")[1].split("\\2-grams:"),
    )
    text = f"{head}\n\\data\\\nngram 1=4\nngram 2=2\n\\2-grams:{bigrams}\\1-grams:{unigrams}"
    with pytest.raises(ModelError, match=r"expected \\1-grams:, found '\\\\2-grams:'"):
        read_arpa(write(tmp_path, text.replace("made by hand\n", "", 1)))


def test_truncated_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "lm.arpa.gz"
    path.write_bytes(gzip.compress(GOOD.encode())[:-30])
    with pytest.raises(ModelError, match=r"lm\.arpa\.gz"):
        load_ngram(path)
    path.write_bytes(b"no gzip")
    with pytest.raises(ModelError, match="cannot be read"):
        load_ngram(path)
    path = tmp_path / "noise"
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(ModelError, match=r"not UTF-8|expected"):
        load_ngram(path)
    with pytest.raises(ModelError, match="No such file"):
        load_ngram(tmp_path / "missing.arpa")
    with pytest.raises(ModelError, match="a folder that holds no recurrent language model; expected a file of n-grams"):
        load_ngram(tmp_path)

"""Text as it is printed in; the words that a recogniser would produce, with a mark and a case for each, out.

    "Mr. Hill said, in 1984: 'No.'"  ──►  mr hill said in nineteen eighty four no
                                           .            ,                :     .    marks
                                     Aa  Aa    aa  aa  aa    aa    aa   --          cases; -- is not known

All lines are one continuous text, so that a network learns from sentences that follow each other.
"""

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asr.config import NormalizerSettings
from asr.errors import TextError
from asr.files import read_lines
from asr.language.text_files import parse_weighted_text
from asr.language.written_words import CAPITAL, CLOSING, COMMA, FULL_STOP, LOWER, MARKS, NO_MARK, UPPER, find_case
from asr.text.normalize import normalize
from asr.weights import Array

UNKNOWN_CASE = -1

_DASH = re.compile(r"\s*(?:--+|[—―])\s*|\s+[–-]\s+")
_OPENING = frozenset("\"'“‘«„‹(")
_LEADING, _TRAILING = re.compile(r"[\W_]*"), re.compile(r"[\W_]*$")
# The first of these that stands after a word counts: `?"`, `.)`, `,—`.
_PRIORITY = (("?", "?？؟"), ("!", "!！"), (".", ".。।"), (";", ";；"), (":", ":："), (",", ",，،、"), (" –", "—–―"))
_ELLIPSIS = re.compile(r"\.\.+|…")
# Marks that depend on what follows: an ellipsis ends a sentence or not, and so does the point of an abbreviation in
# small letters; that of one with a capital, such as Mr., ends none unless nothing follows.
_ELLIPSIS_MARK, _POINT_MARK, _TITLE_MARK = range(len(MARKS), len(MARKS) + 3)
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")  # U.S, p.m
_ABBREVIATED = re.compile(r"[^\W\d_]{1,5}")
_ABBREVIATION_COUNT, _ABBREVIATION_SHARE, _INITIAL_SHARE = 20, 0.95, 0.5
# What follows a number and is said together with it.
_CONTINUATION = re.compile(r"(?:thousand|[mbt]rillion|[mb]illion|[ap]\.?m\b|o'clock|%|[$€£]|[\d½¼¾])\S*", re.IGNORECASE)
_MAY_DIFFER = re.compile(r"[\[<{(*]")  # annotations, which may have several words

# How often a word must have a spelling of its own, and in which share of its occurrences.
_MIXED_COUNT, _MIXED_SHARE = 10, 0.8  # iPhone, USA
_CAPITAL_COUNT, _CAPITAL_SHARE = 100, 0.995  # I'm, London: within sentences


class PunctuatedText(NamedTuple):
    """N words, each with what is written after it and how."""

    vocabulary: list[str]  # all different words
    words: Array  # (N,) int32 positions in the vocabulary
    punctuation: Array  # (N,) int8 marks
    cases: Array  # (N,) int8 cases, or UNKNOWN_CASE
    forms: dict[str, Counter[str]]  # of words that were written otherwise than in small letters or with a capital
    left_out: int  # lines whose words could not be assigned to what is written

    def frequent_words(self, count: int) -> list[str]:
        """Return the most frequent words that occur at least twice, the most frequent first."""
        counts = np.bincount(self.words, minlength=len(self.vocabulary))
        order = np.argsort(-counts, kind="stable")[:count]
        return [self.vocabulary[index] for index in order if counts[index] > 1]

    def find_spellings(self) -> list[str]:
        """Return the words, as they are written, that have capitals wherever they stand: I, iPhone, USA, London.

        Words in capitals count only within sentences and away from others: not the speakers of plays, nor headlines.
        """
        size = len(self.vocabulary)
        counts = np.bincount(self.words, minlength=size)
        inside = np.append(False, ~np.isin(self.punctuation[:-1], CLOSING))  # within sentences
        small, capital = (
            np.bincount(self.words[inside & (self.cases == case)], minlength=size) for case in (LOWER, CAPITAL)
        )
        upper = self.cases == UPPER
        next_to_upper = np.append(False, upper[:-1]) | np.append(upper[1:], False)
        emphasised = np.bincount(self.words[upper & (next_to_upper | ~inside)], minlength=size)
        found = []
        for index, word in enumerate(self.vocabulary):
            forms = {
                form: count - emphasised[index] * (find_case(word, form) == UPPER)
                for form, count in self.forms.get(word, {"": 0}).items()
            }
            form, mixed = max(forms.items(), key=lambda pair: (pair[1], pair[0]))
            if mixed >= max(_MIXED_COUNT, _MIXED_SHARE * (counts[index] - emphasised[index])):
                found.append(form)
            elif capital[index] >= max(_CAPITAL_COUNT, _CAPITAL_SHARE * (small[index] + capital[index])):
                found.append(word[:1].upper() + word[1:])
        return sorted(found)


def read_punctuated_text(texts: Sequence[Path | str], settings: NormalizerSettings) -> PunctuatedText:
    """Read text files as one continuous text.

    Args:
        texts: UTF-8 text files, a sentence or paragraph per line; one given as `PATH:WEIGHT` counts that many times.
        settings: How a recogniser's transcripts are normalised; they are lowercased in any case.

    Raises:
        TextError: If a file cannot be read, or none has a word.
        ConfigError: If a weight is not a whole number of 1 or more.
    """
    files = [(list(read_lines(path)), weight) for path, weight in map(parse_weighted_text, texts)]
    text = _label(files, settings)
    if not len(text.words):
        raise TextError(f"{', '.join(map(str, texts))}: there is no text")
    return text


def label_lines(lines: Sequence[str], settings: NormalizerSettings) -> PunctuatedText:
    """Return the words of lines, in their order, with their marks and cases.

    Lines are left out if their words, normalised one by one, are not those of the whole line.
    """
    return _label([(lines, 1)], settings)


def _label(files: Sequence[tuple[Sequence[str], int]], settings: NormalizerSettings) -> PunctuatedText:
    """Label files, each given as its lines and how many times it counts."""
    counts: Counter[str] = Counter()
    for lines, weight in files:
        for token, count in Counter(token for line in lines for token in _split(line)).items():
            counts[token] += weight * count
    labeller, left_out = _Labeller(settings, counts), 0
    for lines, weight in files:
        first = len(labeller.columns[0])
        left_out += sum(not labeller.add(_split(line)) for line in lines)
        for column in labeller.columns:
            column.extend(column[first:] * (weight - 1))
    words, marks, cases = labeller.columns
    return PunctuatedText(
        labeller.vocabulary,
        np.array(words, np.int32),
        np.array(marks, np.int8),
        np.array(cases, np.int8),
        dict(labeller.forms),
        left_out,
    )


class _Token(NamedTuple):
    """What white space separates, or a number of several such parts."""

    words: tuple[int, ...]  # positions in the vocabulary
    cases: tuple[int, ...]
    punctuation: int  # after the last word
    opens: bool  # whether it begins with an opening quotation mark or parenthesis


class _Labeller:
    """Adds tokens to lists of words, marks and cases; each different token is normalised once."""

    def __init__(self, settings: NormalizerSettings, counts: Counter[str]) -> None:
        self._settings = settings.model_copy(update={"lowercase": True, "strip_punctuation": True})
        self._cased = self._settings.model_copy(update={"lowercase": False})
        self._counts = counts
        self._abbreviations = _find_abbreviations(counts)
        self._tokens: dict[str, _Token] = {}
        self._ids: dict[str, int] = {}
        self.vocabulary: list[str] = []
        self.forms: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.columns = (array("i"), array("b"), array("b"))  # words, marks, cases

    def add(self, tokens: Sequence[str]) -> bool:
        """Add a line; return False, without adding it, if its words are uncertain."""
        line = " ".join(tokens)
        if any(map(str.isnumeric, line)) or _MAY_DIFFER.search(line):
            tokens = list(_join_numbers(tokens))
            indices = [index for token in tokens for index in self._get(token).words]
            if [self.vocabulary[index] for index in indices] != normalize(line, self._settings).split():
                return False
        words, marks, cases = self.columns
        start, opens = len(words), False
        for position, token in enumerate(tokens):
            parts = self._get(token)
            mark = _resolve(parts.punctuation, tokens[position + 1 :][:1])
            if not parts.words:  # a mark by itself belongs to the word before it
                opens |= parts.opens
                if len(words) > start and marks[-1] == NO_MARK:
                    marks[-1] = mark
                continue
            known = parts.cases
            if (parts.opens or opens or len(words) == start) and marks and marks[-1] not in CLOSING:
                # A capital that is due to a quotation or a new paragraph alone.
                known = (UNKNOWN_CASE if known[0] == CAPITAL else known[0], *known[1:])
            opens = False
            words.extend(parts.words)
            cases.extend(known)
            marks.extend([NO_MARK] * (len(parts.words) - 1))
            marks.append(mark)
        return True

    def _get(self, token: str) -> _Token:
        if token not in self._tokens:
            self._tokens[token] = self._parse(token)
        return self._tokens[token]

    def _parse(self, token: str) -> _Token:
        words, written = (normalize(token, settings).split() for settings in (self._settings, self._cased))
        opens = not _OPENING.isdisjoint(_LEADING.match(token)[0])  # type: ignore[index]
        if len(words) != len(written):
            written = words
        cases = tuple(map(find_case, words, written))
        for word, form in zip(words, written, strict=True):
            if form not in (word, word[:1].upper() + word[1:]):
                self.forms[word][form] += self._counts[token]
        return _Token(tuple(map(self._index, words)), cases, self._find_mark(token, bool(words)), opens)

    def _index(self, word: str) -> int:
        index = self._ids.setdefault(word, len(self.vocabulary))
        if index == len(self.vocabulary):
            self.vocabulary.append(word)
        return index

    def _find_mark(self, token: str, has_words: bool) -> int:
        trailing = _TRAILING.search(token)[0] if has_words else token  # type: ignore[index]
        core = token[: len(token) - len(trailing)]
        if has_words and trailing.startswith(".") and not trailing.startswith(".."):
            last = core.split()[-1]  # of a number of several parts
            bare = last[_LEADING.match(last).end() :]  # type: ignore[union-attr]
            if bare.lower() in self._abbreviations or _INITIALS.fullmatch(bare):
                return _mark_in(trailing[1:]) or (_POINT_MARK if bare[:1].islower() else _TITLE_MARK)
        if _ELLIPSIS.search(trailing) and not any(sign in trailing for sign in "?!"):
            return _ELLIPSIS_MARK
        return _mark_in(trailing)


def _split(line: str) -> list[str]:
    return _DASH.sub(" — ", line).split()


def _mark_in(signs: str) -> int:
    """Return the most important mark among the signs after a word."""
    for name, known in _PRIORITY:
        if any(sign in known for sign in signs):
            return MARKS.index(name)
    return NO_MARK


def _resolve(punctuation: int, following: Sequence[str]) -> int:
    """Decide a mark that depends on the next token; at the end of a line it closes the sentence."""
    if punctuation < len(MARKS):
        return punctuation
    bare = following[0][_LEADING.match(following[0]).end() :] if following else ""  # type: ignore[union-attr]
    if not following or (bare[:1].isupper() and punctuation != _TITLE_MARK):
        return FULL_STOP
    return COMMA if punctuation == _ELLIPSIS_MARK else NO_MARK


def _join_numbers(tokens: Sequence[str]) -> Iterator[str]:
    """Join tokens that are said as one number: $2 million, 10 a.m."""
    group = ""
    for token in tokens:
        if group and (group[-1].isalnum() or group[-1] in "$€£%") and _CONTINUATION.match(token):
            group = f"{group} {token}"
            continue
        if group:
            yield group
        group = token if any(map(str.isnumeric, token)) else ""
        if not group:
            yield token
    if group:
        yield group


def _find_abbreviations(counts: Counter[str]) -> frozenset[str]:
    """Find short words that nearly always have a point after them (as in Kiss & Strunk 2006), and initials."""
    pointed: Counter[str] = Counter()
    plain: Counter[str] = Counter()
    for token, count in counts.items():
        trailing = _TRAILING.search(token)[0]  # type: ignore[index]
        core = token[: len(token) - len(trailing)]
        bare = core[_LEADING.match(core).end() :].lower()  # type: ignore[union-attr]
        if _ABBREVIATED.fullmatch(bare):
            (pointed if trailing.startswith(".") else plain)[bare] += count
    return frozenset(
        word
        for word, count in pointed.items()
        if count >= (_INITIAL_SHARE if len(word) == 1 else _ABBREVIATION_SHARE) * (count + plain[word])
        and (len(word) == 1 or count >= _ABBREVIATION_COUNT)
    )

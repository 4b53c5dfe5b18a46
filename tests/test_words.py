"""Names are the field's words: none of the private words that an earlier version used names anything.

The words come from a review of all names beside those of torchaudio, pyctcdecode, flashlight, Kaldi and lhotse.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import asr

PACKAGE = Path(asr.__file__).parent
# No name may hold one of these, written_so or WrittenSo.
PRIVATE = {
    "asker": "external language model",
    "asking": "external language model",
    "blend": "scorer",
    "carry": "extend by blank or repeat",
    "filling": "batching",
    "fusion": "scorer",
    "growing": "partial text",
    "halve": "to_half",
    "hear": "on_progress",
    "heard": "on_progress",
    "kid": "child",
    "kids": "children",
    "lent": "look-ahead",
    "lift": "boost",
    "look": "evaluation",
    "looks": "evaluations",
    "mass": "probability",
    "measuring": "likelihood",
    "mixing": "interpolation",
    "pace": "throughput",
    "plant": "init",
    "promise": "future",
    "pronouncer": "G2P",
    "pronouncing": "G2P",
    "propose": "expand",
    "reading": "hypothesis",
    "readings": "hypotheses",
    "receive": "merge",
    "settle": "commit",
    "settled": "committed",
    "slot": "beam index",
    "spell": "encode or decode",
    "standing": "pruning score",
    "stretch": "segment",
    "stretches": "segments",
    "tell": "report",
    "told": "reported",
    "wanted": "pending",
}
# Words that the field uses for other things: only as a whole name are they private.
PRIVATE_ALONE = {
    "accept": "feed",
    "adding": "with_words",
    "advance": "look-ahead, step or update",
    "ahead": "look-ahead",
    "entry": "hypothesis",
    "layers": "log_gradient_norms",
    "level": "unit or loudness",
    "levels": "loudness",
    "mark": "backpointer or word end",
    "marks": "word ends",
    "place": "trie node",
    "put": "feed",
    "reader": "utterance decoder",
    "streams": "truncated BPTT batches",
    "take": "feed",
    "telephone": "simulate_telephone",
    "whole": "batch",
    "writing": "generate",
}
STANDARD = {
    "look_ahead",  # of a language model
    "carry_state",
    "spell_out_numbers",  # a setting, in English
    "receive",  # of ASGI, the interface between web servers and applications
}


def words_of(name: str) -> list[str]:
    for standard in STANDARD:
        name = name.replace(standard, "")
    return re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+", name)


def names() -> Iterator[tuple[str, str]]:
    """Where a module, class, function or parameter is named, and its name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        where = str(path.relative_to(PACKAGE.parent))
        yield where, path.stem
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{where}:{node.lineno}", node.name
            elif isinstance(node, ast.arg):
                yield f"{where}:{node.lineno}", node.arg


def test_no_private_words_are_left():
    found = [
        f"{where} {name}: say {PRIVATE.get(word.lower(), PRIVATE_ALONE.get(word.lower()))}"
        for where, name in names()
        for word in words_of(name)
        if word.lower() in PRIVATE or (word.lower() in PRIVATE_ALONE and name.strip("_").lower() == word.lower())
    ]
    assert found == []


def test_words_are_found_however_a_name_is_written():
    assert words_of("BatchAsker") == ["Batch", "Asker"]
    assert words_of("_find_own_HTTPReader") == ["find", "own", "HTTP", "Reader"]
    assert words_of("look_ahead_scores") == ["scores"]

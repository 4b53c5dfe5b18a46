"""Names are the field's words: none of the private words that an earlier version used names anything.

The words come from a review of all names beside those of torchaudio, pyctcdecode, flashlight, Kaldi and lhotse.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOTS = ("asr", "tests", "tools", "recipes")
ROOT = Path(__file__).parent.parent
# No name may hold one of these, written_so or WrittenSo.
PRIVATE = {
    "asker": "external language model",
    "asking": "external language model",
    "beside": "next to, or with",
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
    "apart": "sentences",
    "entry": "hypothesis",
    "layers": "log_gradient_norms",
    "level": "unit or loudness",
    "levels": "loudness",
    "mark": "backpointer or word end",
    "marks": "word ends",
    "place": "trie node",
    "put": "feed",
    "reader": "utterance decoder",
    "running": "continuous",
    "streams": "truncated BPTT batches",
    "take": "feed",
    "telephone": "simulate_telephone",
    "whole": "batch",
    "writing": "generate",
}
# Whole names that are too common in parts to forbid their words.
PRIVATE_NAMES = {
    "EpochReport": "EpochMetrics",
    "Latency": "chunk and right context",
    "Position": "TrainState",
    "Shorter": "BackoffPredictions",
    "Tuned": "TuningResult",
    "find_own_model": "find_writable_model",
    "knows_all": "covers",
    "learn_words": "add_oov_words",
    "take_decoding": "inherit_decoder_settings",
    "take_shape": "inherit_architecture",
    "unknown_words": "oov_words",
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
    """Where a module, class, function, parameter, field or variable is named, and its name."""
    for root in ROOTS:
        for path in sorted((ROOT / root).rglob("*.py")):
            where = str(path.relative_to(ROOT))
            yield where, path.stem
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                yield from ((f"{where}:{getattr(node, 'lineno', 0)}", name) for name in names_at(node))


def names_at(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    if isinstance(node, ast.ClassDef):  # fields are parameters of the constructor
        annotated = (statement.target for statement in node.body if isinstance(statement, ast.AnnAssign))
        yield from (target.id for target in annotated if isinstance(target, ast.Name))
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        # Words that the field uses for other things may be local variables.
        yield from [node.id] if node.id.strip("_").lower() not in PRIVATE_ALONE else []


def standard_for(name: str) -> str | None:
    """The field's word for a private one in a name; None if the name holds none."""
    whole = name.strip("_")
    words = (word.lower() for word in words_of(name))
    return (
        PRIVATE_NAMES.get(whole)
        or PRIVATE_ALONE.get(whole.lower())
        or next(filter(None, map(PRIVATE.get, words)), None)
    )


def test_no_private_words_are_left():
    assert [f"{where} {name}: say {word}" for where, name in names() if (word := standard_for(name))] == []


def test_words_are_found_however_a_name_is_written():
    assert words_of("BatchAsker") == ["Batch", "Asker"]
    assert words_of("_find_own_HTTPReader") == ["find", "own", "HTTP", "Reader"]
    assert words_of("look_ahead_scores") == ["scores"]


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("class A:\n    level: int\n    size: int = 0\n    def run(self): ...", ["level", "size"]),
        ("class A:\n    def run(self, told):\n        heard: int = 1", ["told", "heard"]),
        ("for told, (level, _) in heard: pass", ["told"]),
    ],
)
def test_fields_parameters_and_variables_are_names(code: str, named: list[str]):
    found = [name for node in ast.walk(ast.parse(code)) for name in names_at(node)]
    assert list(dict.fromkeys(name for name in found if name not in ("A", "run", "self", "_"))) == named


def test_private_words_have_standard_ones():
    examples = ["_told_on", "level", "log_level", "Position", "position", "take_shape", "carry_state"]
    assert [standard_for(name) for name in examples] == [
        "reported",
        "unit or loudness",
        None,
        "TrainState",
        None,
        "inherit_architecture",
        None,
    ]

"""Corpora as published in, manifests of lhotse cuts out: one cut per utterance, one file per part.

Three layouts are read here, all other corpora by lhotse's recipes. Transcripts stay as published; text/normalize.py
normalises them when they are used.
"""

import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lhotse import CutSet, recipes

from asr.corpus.an4 import read_an4
from asr.corpus.cuts import write_manifests
from asr.corpus.kaldi import read_kaldi
from asr.corpus.table import read_tables
from asr.errors import CorpusError, one_line
from asr.signal.channels import ChannelChoice

_READERS = {
    "an4": (read_an4, "CMU AN4: spelled words, digits and commands; train, test, and a dev part of held-out speakers"),
    "kaldi": (read_kaldi, "Kaldi data folders: `text` and `wav.scp`, in the folder itself or in folders within it"),
    "tsv": (
        read_tables,
        "your own recordings: a table with lines `path<TAB>text`, or a folder of them: train.tsv, dev.tsv, ...",
    ),
}


def prepare(name: str, source: Path, output: Path, *, channel: ChannelChoice = "mix") -> dict[str, CutSet]:
    """Write a corpus's manifests, `output/<part>.jsonl.gz`, and its transcripts, `output/<part>.txt`.

    Args:
        name: One of `list_corpora`.
        source: The corpus as published.
        output: A folder, created if needed.
        channel: Of utterances that do not say in which channel of their recording they are said: all mixed, or one,
            from 0. "each" requires that all say theirs. Corpora that lhotse reads say theirs.

    Returns:
        The cuts of each part.

    Raises:
        CorpusError: If the name is unknown, or the corpus is incomplete or malformed.
    """
    if name in _READERS:
        return write_manifests(output, _READERS[name][0](source, channel))
    recipe = _find_recipes().get(name)
    if recipe is None:
        raise CorpusError(f"no corpus {name!r}; there are: {', '.join(list_corpora())}")
    if isinstance(channel, int):
        raise CorpusError(f"{name}: lhotse's recipe says which channel each utterance is in, so none can be chosen")
    return write_manifests(output, _read_by_recipe(name, recipe, source))


def list_corpora() -> dict[str, str]:
    """Return all corpora that `prepare` can read, each with a one-line description: ours first, then lhotse's."""
    ours = {name: description for name, (_, description) in _READERS.items()}
    return ours | {name: _first_sentence(recipe) for name, recipe in sorted(_find_recipes().items())}


def _find_recipes() -> dict[str, Callable[..., Any]]:
    """Return lhotse's recipes that need nothing but the folder of the corpus."""
    named = {
        name.removeprefix("prepare_"): getattr(recipes, name) for name in dir(recipes) if name.startswith("prepare_")
    }
    return {name: recipe for name, recipe in named.items() if len(_required_parameters(recipe) - {"output_dir"}) == 1}


def _required_parameters(recipe: Callable[..., Any]) -> set[str]:
    parameters = inspect.signature(recipe).parameters.values()
    return {p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}


def _first_sentence(recipe: Callable[..., Any]) -> str:
    module = inspect.getmodule(recipe)
    text = " ".join(((module and inspect.getdoc(module)) or "").split())
    return text.split(". ")[0][:100].rstrip(".:") or "a lhotse recipe"


def _read_by_recipe(name: str, recipe: Callable[..., Any], source: Path) -> dict[str, CutSet]:
    if not source.is_dir():
        raise CorpusError(f"{source}: expected the folder of the corpus {name}, but it does not exist")
    with tempfile.TemporaryDirectory() as scratch:
        # Some recipes insist on writing their own manifests, which are not needed.
        options = {"output_dir": Path(scratch)} if "output_dir" in _required_parameters(recipe) else {}
        try:
            manifests = recipe(source.resolve(), **options)
        except Exception as error:  # recipes fail in any way they like on an unexpected layout
            raise CorpusError(f"{source}: lhotse's recipe for {name} failed: {one_line(error)}") from error
    return {part: _to_cuts(manifests_of_part) for part, manifests_of_part in _flatten(manifests)}


def _flatten(manifests: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the parts of what a recipe returns: manifests, or manifests by part, or by language and part."""
    if "recordings" in manifests:
        if manifests.get("supervisions") is not None:
            yield prefix or "all", manifests
        return
    for key, value in manifests.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}-{key}" if prefix else str(key))


def _to_cuts(manifests: Mapping[str, Any]) -> CutSet:
    """Make one cut per supervision, named after it, with absolute paths."""
    cuts = CutSet.from_manifests(recordings=manifests["recordings"], supervisions=manifests["supervisions"])
    cuts = list(cuts.trim_to_supervisions(keep_overlapping=False))
    for cut in cuts:
        for file in (source for source in cut.recording.sources if source.type == "file"):
            file.source = str(Path(file.source).absolute())
    return CutSet([cut.with_id(cut.supervisions[0].id) for cut in cuts])

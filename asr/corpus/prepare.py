"""Corpora as published in, manifests of lhotse cuts out: one cut per utterance, one file per part.

Transcripts stay as published; text/normalize.py normalises them when they are used.
"""

from pathlib import Path

from lhotse import CutSet

from asr.corpus.an4 import read_an4
from asr.corpus.cuts import write_manifests
from asr.corpus.kaldi import read_kaldi
from asr.corpus.lhotse_recipes import list_recipes, read_by_recipe
from asr.corpus.table import read_tables
from asr.errors import CorpusError

# The corpora that are read here; lhotse's recipes read the others.
_READERS = {
    "an4": (read_an4, "CMU AN4: spelled words, digits and commands; train, test, and a dev part of held-out speakers"),
    "kaldi": (read_kaldi, "Kaldi data folders: `text` and `wav.scp`, in the folder itself or in folders within it"),
    "tsv": (
        read_tables,
        "your own recordings: a table with lines `path<TAB>text`, or a folder of them: train.tsv, dev.tsv, ...",
    ),
}


def prepare(name: str, source: Path, output: Path) -> dict[str, CutSet]:
    """Write a corpus's manifests, `output/<part>.jsonl.gz`, and its transcripts, `output/<part>.txt`.

    Args:
        name: One of `list_corpora`.
        source: The corpus as published.
        output: A folder, created if needed.

    Returns:
        The cuts of each part.

    Raises:
        CorpusError: If the name is unknown, or the corpus is incomplete or malformed.
    """
    if name in _READERS:
        read, _ = _READERS[name]
        return write_manifests(output, read(source))
    corpora = list_corpora()
    if name not in corpora:
        raise CorpusError(f"no corpus {name!r}; there are: {', '.join(corpora)}")
    return write_manifests(output, read_by_recipe(name, source))


def list_corpora() -> dict[str, str]:
    """Return all corpora that `prepare` can read, each with a one-line description: ours first, then lhotse's."""
    return {name: description for name, (_, description) in _READERS.items()} | list_recipes()

"""Corpora as published in, manifests of lhotse cuts out: one cut an utterance, one file a part.

A manifest names its recordings by absolute path and holds their true lengths, so that it can be
used from any folder. Transcripts stay as published; normalising them is text/normalize.py's work.
"""

import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lhotse import CutSet, Recording, recipes
from lhotse.serialization import load_manifest

from asr.atomic import atomic_write
from asr.corpus.cuts import Utterance, describe_recording, filled_lines, first_file, one_line, to_cuts
from asr.corpus.table import is_table, read_table, split_table
from asr.errors import CorpusError

OWN_CORPORA = {
    "an4": "CMU AN4: spelled words, digits and commands; train, test, and a dev part of held-out speakers",
    "kaldi": "Kaldi folders: `text` and `wav.scp`, in the folder itself or in folders within it",
    "tsv": "your own recordings: a table of lines `path<TAB>text`, or a folder of them, train.tsv, dev.tsv, ...",
}
AN4_SUFFIXES = (".wav", ".flac")
# AN4 has no development set. Every 14th training speaker by name makes one: six of 74, of both
# sexes in the proportion of the whole, since names begin with f or m.
AN4_DEV_EVERY = 14


def prepare(name: str, source: Path, output: Path) -> dict[str, CutSet]:
    """Write a corpus's manifests, `output/<part>.jsonl.gz`, and its transcripts, `output/<part>.txt`.

    Args:
        name: One of `list_corpora`.
        source: The corpus as published.
        output: A folder, made if needed.

    Returns:
        The cuts of each part.

    Raises:
        CorpusError: If the name is unknown, or the corpus incomplete or malformed.
    """
    if name == "an4":
        return prepare_an4(source, output)
    if name == "kaldi":
        return prepare_kaldi(source, output)
    if name == "tsv":
        return prepare_tsv(source, output)
    return prepare_lhotse(name, source, output)


def list_corpora() -> dict[str, str]:
    """Each corpus that `prepare` knows, with a line about it: our own, then lhotse's."""
    return OWN_CORPORA | {name: _first_sentence(recipe) for name, recipe in sorted(_lhotse_recipes().items())}


def load_cuts(paths: Sequence[Path]) -> CutSet:
    """Read manifests and put them together.

    Raises:
        CorpusError: If a file is missing, no manifest of cuts, or empty.
    """
    return CutSet([cut for path in paths for cut in _load_manifest(Path(path))])


def prepare_an4(source: Path, output: Path) -> dict[str, CutSet]:
    """Prepare AN4 as in the repository cmusphinx/an4: `etc/` and `wav/`, of WAV or FLAC files.

    The parts are `train`, `dev` and `test`; `dev` is every 14th training speaker by name.

    Raises:
        CorpusError: If a list or recording is missing or malformed.
    """
    train, test = (list(_read_an4_part(source, part)) for part in ("train", "test"))
    dev_speakers = set(sorted({str(utterance.speaker) for utterance in train})[::AN4_DEV_EVERY])
    parts = {
        "train": [utterance for utterance in train if utterance.speaker not in dev_speakers],
        "dev": [utterance for utterance in train if utterance.speaker in dev_speakers],
        "test": test,
    }
    return write_manifests(output, {part: to_cuts(utterances) for part, utterances in parts.items()})


def prepare_kaldi(source: Path, output: Path) -> dict[str, CutSet]:
    """Prepare Kaldi folders: `text`, `wav.scp`, and where there are any `segments`, `utt2spk`, `spk2gender`.

    If `source` is such a folder, its only part is `all`; else each folder in it is a part.
    A recording that no transcript mentions is no utterance. Paths in `wav.scp` are relative to
    its folder or to the folder above.

    Raises:
        CorpusError: If there is no such folder, a recording is missing or a pipe, or a line malformed.
    """
    folders = {"all": source} if _is_kaldi(source) else {f.name: f for f in _folders(source) if _is_kaldi(f)}
    if not folders:
        raise CorpusError(f"{source}: expected `text` and `wav.scp` here or in a folder within; found neither")
    return write_manifests(output, {part: to_cuts(_read_kaldi(folder)) for part, folder in folders.items()})


def prepare_tsv(source: Path, output: Path) -> dict[str, CutSet]:
    """Prepare recordings that a table names, `path<TAB>text` or `path<TAB>text<TAB>speaker` a line (table.py).

    Of a single table a tenth becomes the part `dev`, the rest `train` (`split_table` says which).
    In a folder each table, `<part>.tsv`, is a part.

    Raises:
        CorpusError: If there is no table, a recording is missing, or a line malformed.
    """
    if source.is_file():
        return write_manifests(output, {part: to_cuts(some) for part, some in split_table(read_table(source)).items()})
    tables = sorted(path for path in source.glob("*") if is_table(path))
    if not tables:
        raise CorpusError(f"{source}: expected a table of lines `path<TAB>text`, or a folder of such files named *.tsv")
    return write_manifests(output, {path.stem: to_cuts(read_table(path)) for path in tables})


def prepare_lhotse(name: str, source: Path, output: Path) -> dict[str, CutSet]:
    """Prepare a corpus by lhotse's recipe of that name.

    Raises:
        CorpusError: If there is no such recipe, it needs more than a folder, or it fails.
    """
    recipe = _lhotse_recipes().get(name)
    if recipe is None:
        raise CorpusError(f"no corpus {name!r}; there are: {', '.join(list_corpora())}")
    if not source.is_dir():
        raise CorpusError(f"{source}: expected the folder of the corpus {name}; there is none")
    with tempfile.TemporaryDirectory() as scratch:
        # Some recipes insist on writing their own manifests; nobody needs those.
        wanted = {"output_dir": Path(scratch)} if "output_dir" in _required(recipe) else {}
        try:
            found = recipe(source.resolve(), **wanted)
        except Exception as error:  # recipes fail in any way they like on an unexpected layout
            raise CorpusError(f"{source}: lhotse's recipe for {name} failed: {one_line(error)}") from error
    return write_manifests(output, {part: _cuts_of_manifests(manifests) for part, manifests in _flatten(found)})


def _load_manifest(path: Path) -> CutSet:
    if not path.is_file():
        raise CorpusError(f"{path}: no such manifest; `asr prepare` writes them")
    try:
        cuts = load_manifest(path, CutSet)
    except Exception as error:  # not gzip, not JSON, another kind of manifest: lhotse raises what it meets
        raise CorpusError(f"{path}: not a manifest of lhotse cuts: {one_line(error)}") from None
    if len(cuts) == 0:
        raise CorpusError(f"{path}: the manifest holds no cuts")
    return cuts


def _read_an4_part(source: Path, part: str) -> Iterator[Utterance]:
    listing = source / "etc" / f"an4_{part}.fileids"
    transcription = source / "etc" / f"an4_{part}.transcription"
    texts = {}
    for number, line in filled_lines(transcription):
        text, _, name = line.rpartition("(")
        if not name.endswith(")"):
            raise CorpusError(f"{transcription}:{number}: expected `TEXT (utterance)`, found {line!r}")
        texts[name[:-1]] = " ".join(word for word in text.split() if word not in ("<s>", "</s>"))
    for number, file_id in filled_lines(listing):
        name, speaker = Path(file_id).name, Path(file_id).parent.name
        if name not in texts:
            raise CorpusError(f"{listing}:{number}: {name} has no transcript in {transcription.name}")
        candidates = [source / "wav" / f"{file_id}{suffix}" for suffix in AN4_SUFFIXES]
        path = first_file(candidates, where=f"{listing}:{number}")
        yield Utterance(name, describe_recording(name, path, f"{listing}:{number}"), texts[name], speaker, speaker[:1])


def _read_kaldi(folder: Path) -> Iterator[Utterance]:
    recordings = {name: (number, value) for name, (number, value) in _table(folder / "wav.scp").items()}
    segments = _table(folder / "segments") if (folder / "segments").exists() else None
    speakers = _optional_table(folder / "utt2spk")
    genders = _optional_table(folder / "spk2gender")
    opened: dict[str, Recording] = {}
    for name, (number, text) in _table(folder / "text").items():
        recording_name, start, end = name, 0.0, None
        if segments is not None:
            if name not in segments:
                raise CorpusError(f"{folder / 'text'}:{number}: {name} is not in {folder / 'segments'}")
            recording_name, start, end = _segment(folder / "segments", *segments[name])
        if recording_name not in recordings:
            raise CorpusError(f"{folder / 'text'}:{number}: {recording_name} is not in {folder / 'wav.scp'}")
        if recording_name not in opened:
            opened[recording_name] = _kaldi_recording(folder, recording_name, *recordings[recording_name])
        speaker = speakers.get(name)
        yield Utterance(name, opened[recording_name], text, speaker, genders.get(speaker or ""), start, end)


def _segment(path: Path, number: int, value: str) -> tuple[str, float, float | None]:
    fields = value.split()
    try:
        name, start, end = fields[0], float(fields[1]), float(fields[2])
    except (IndexError, ValueError):
        raise CorpusError(f"{path}:{number}: expected `utterance recording start end`, found {value!r}") from None
    if end == -1:  # Kaldi's sign for the end of the recording
        return name, start, None
    if not 0 <= start < end:
        raise CorpusError(f"{path}:{number}: expected 0 <= start < end in seconds, found {start} and {end}")
    return name, start, end


def _kaldi_recording(folder: Path, name: str, number: int, value: str) -> Recording:
    where = f"{folder / 'wav.scp'}:{number}"
    if value.endswith("|"):
        raise CorpusError(f"{where}: {value!r} is a command; run it, and name the file that it writes")
    path = first_file([folder / value, folder.parent / value], where=where)
    return describe_recording(name, path, where)


def _cuts_of_manifests(manifests: Mapping[str, Any]) -> CutSet:
    cuts = CutSet.from_manifests(recordings=manifests["recordings"], supervisions=manifests["supervisions"])
    return CutSet([_named_after_supervision(cut) for cut in cuts.trim_to_supervisions(keep_overlapping=False)])


def _named_after_supervision(cut: Any) -> Any:
    for source in cut.recording.sources:
        if source.type == "file":
            source.source = str(Path(source.source).absolute())
    return cut.with_id(cut.supervisions[0].id)


def _flatten(found: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The parts of what a recipe returns: manifests, or manifests by part, or by language and part."""
    if "recordings" in found:
        if found.get("supervisions") is not None:
            yield prefix or "all", found
        return
    for key, value in found.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}-{key}" if prefix else str(key))


def write_manifests(output: Path, parts: Mapping[str, CutSet]) -> dict[str, CutSet]:
    """Write each part's manifest and texts, whole or not at all: a reader never meets half a manifest.

    Raises:
        CorpusError: If a part is empty, or there is none.
    """
    empty = [part for part, cuts in parts.items() if len(cuts) == 0]
    if empty or not parts:
        raise CorpusError(f"no utterances were found for {', '.join(empty) or 'any part'}; nothing is written")
    for part, cuts in parts.items():
        # For language models, which are estimated from text, a sentence a line.
        texts = (supervision.text for cut in cuts for supervision in cut.supervisions if supervision.text)
        with atomic_write(output / f"{part}.txt") as partial:
            partial.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        with atomic_write(
            output / f"{part}.jsonl.gz"
        ) as partial:  # last: recipes take it for the sign that all is there
            cuts.to_file(partial)
    return dict(parts)


def _lhotse_recipes() -> dict[str, Callable[..., Any]]:
    """lhotse's recipes that need no more than the folder of the corpus."""
    named = {
        name.removeprefix("prepare_"): getattr(recipes, name) for name in dir(recipes) if name.startswith("prepare_")
    }
    return {name: recipe for name, recipe in named.items() if len(_required(recipe) - {"output_dir"}) == 1}


def _required(recipe: Callable[..., Any]) -> set[str]:
    parameters = inspect.signature(recipe).parameters.values()
    return {p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}


def _first_sentence(recipe: Callable[..., Any]) -> str:
    module = inspect.getmodule(recipe)
    text = " ".join(((module and inspect.getdoc(module)) or "").split())
    return text.split(". ")[0][:100].rstrip(".:") or "a recipe of lhotse's"


def _is_kaldi(folder: Path) -> bool:
    return (folder / "text").is_file() and (folder / "wav.scp").is_file()


def _folders(source: Path) -> list[Path]:
    if not source.is_dir():
        raise CorpusError(f"{source}: no such folder")
    return sorted(path for path in source.iterdir() if path.is_dir())


def _optional_table(path: Path) -> dict[str, str]:
    return {name: value for name, (_, value) in _table(path).items()} if path.exists() else {}


def _table(path: Path) -> dict[str, tuple[int, str]]:
    """A Kaldi table: a name and the rest of its line, with the line's number."""
    table: dict[str, tuple[int, str]] = {}
    for number, line in filled_lines(path):
        name, _, value = line.replace("\t", " ").partition(" ")
        if name in table:
            raise CorpusError(f"{path}:{number}: {name} stands on line {table[name][0]} already")
        table[name] = (number, value.strip())
    return table

"""Tables of recordings and their transcripts in, cuts out: how people describe their own speech.

    audio/monday.wav<TAB>what is said in it<TAB>anna

Paths are relative to the table's folder. The speaker may be left out. If the first line names the columns, `path` and
`text` among them, they may come in any order; `channel` says in which channel of the recording an utterance is said,
counted from 0; other columns are ignored.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from lhotse import CutSet

from asr.corpus.cuts import Utterance, describe_recording, first_file, numbered_lines, parse_channel, to_cuts
from asr.errors import CorpusError
from asr.signal.channels import ChannelChoice

_DEV_EVERY = 10
_MOST_PROBLEMS = 10  # listed; the rest are counted


def read_tables(source: Path, channel: ChannelChoice = "mix") -> dict[str, CutSet]:
    """Read a table, or a folder of tables.

    Of a single table one tenth becomes the part `dev` and the rest `train`; see `_split`.
    In a folder each table, `<part>.tsv`, is a part.

    Raises:
        CorpusError: If there is no table, a recording is missing, or a line is malformed.
    """
    if source.is_file():
        return {part: to_cuts(utterances, channel) for part, utterances in _split(_read_table(source)).items()}
    tables = sorted(path for path in source.glob("*") if path.suffix.lower() == ".tsv" and path.is_file())
    if not tables:
        raise CorpusError(f"{source}: expected a table with lines `path<TAB>text`, or a folder of such tables, *.tsv")
    return {path.stem: to_cuts(_read_table(path), channel) for path in tables}


def _read_table(path: Path) -> list[Utterance]:
    """Read the utterances of a table, in order; if lines are malformed or name no recording, list them in an error.

    Each is named after its file without the suffix, or after its path if two files share that name.
    """
    # A line may begin or end with a tab, if those columns are empty.
    lines = numbered_lines(path, strip=" ")
    rows = [(f"{path}:{number}", [field.strip() for field in line.split("\t")]) for number, line in lines]
    columns = ["path", "text", "speaker"]
    if rows and {"path", "text"} <= set(rows[0][1]):
        _, columns = rows.pop(0)
    named_rows = [(origin, dict(zip(columns, fields, strict=False))) for origin, fields in rows]
    stems = Counter(Path(row["path"]).stem for _, row in named_rows if "path" in row)
    utterances: dict[str, Utterance] = {}
    problems = []
    for origin, row in named_rows:
        try:
            utterance = _parse_row(path.parent, origin, row, stems)
            if utterance.name in utterances:
                raise CorpusError(f"{origin}: {utterance.name} is listed twice")
            utterances[utterance.name] = utterance
        except CorpusError as error:
            problems.append(str(error))
    if problems:
        unlisted = len(problems) - _MOST_PROBLEMS
        raise CorpusError("\n".join(problems[:_MOST_PROBLEMS] + [f"... and {unlisted} more"] * (unlisted > 0)))
    return list(utterances.values())


def _parse_row(folder: Path, origin: str, row: Mapping[str, str], stems: Counter[str]) -> Utterance:
    if not {"path", "text"} <= row.keys():
        line = " ".join(row.values())
        raise CorpusError(f"{origin}: expected path<TAB>text, with a tab between them, found {line!r}")
    path = first_file([folder / row["path"]], origin=origin)
    stem = Path(row["path"]).stem
    name = stem if stems[stem] == 1 else row["path"]
    try:
        channel = parse_channel(row["channel"]) if row.get("channel") else None
    except ValueError:
        raise CorpusError(f"{origin}: expected the number of a channel, from 0, found {row['channel']!r}") from None
    recording, speaker = describe_recording(name, path, origin), row.get("speaker") or None
    return Utterance(name, recording, row["text"], speaker, channel=channel)


def _split(utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """Hold out one tenth for development: of the speakers if there are ten or more, else of the recordings.

    If sentences seldom repeat, all recordings of a sentence go to the same part. If a few commands are repeated over
    and over, each of them must be both trained on and monitored, so recordings are held out whatever they say.

    Raises:
        CorpusError: If there are fewer than two utterances.
    """
    if len(utterances) < 2:
        raise CorpusError(f"{len(utterances)} recordings: too few to hold some out for development")
    speakers = sorted({utterance.speaker for utterance in utterances if utterance.speaker})
    if len(speakers) >= _DEV_EVERY:
        held_out = set(speakers[::_DEV_EVERY])
        in_dev = [utterance.speaker in held_out for utterance in utterances]
    else:
        in_dev = _hold_out([utterance.text for utterance in utterances])
    parts: dict[str, list[Utterance]] = {"train": [], "dev": []}
    for utterance, dev in zip(utterances, in_dev, strict=True):
        parts["dev" if dev else "train"].append(utterance)
    return parts


def _hold_out(texts: Sequence[str]) -> list[bool]:
    """Choose texts for development: every tenth sentence or, if fewer than half differ, recordings of repeated ones."""
    sentences = [" ".join(re.findall(r"\w+", text.lower())) for text in texts]
    counts = Counter(sentences)
    numbers = {sentence: number for number, sentence in enumerate(counts)}
    if 2 * len(counts) >= len(texts):
        return [numbers[sentence] % _DEV_EVERY == 0 for sentence in sentences]
    # At equal distances in the order of the sentences: tables often repeat ten words in one order, so that every tenth
    # recording says the same. More than half of the texts are repeated, so no sentence loses all of its recordings.
    repeated = [index for index, sentence in enumerate(sentences) if counts[sentence] > 1]
    repeated.sort(key=lambda index: numbers[sentences[index]])
    num_dev = -(-len(texts) // _DEV_EVERY)
    held_out = {repeated[place * len(repeated) // num_dev] for place in range(num_dev)}
    return [index in held_out for index in range(len(texts))]

"""A table of recordings and their texts in, utterances out: what people make of their own speech.

    audio/monday.wav<TAB>what is said in it<TAB>anna

Paths are relative to the table's folder. The speaker may be left out. A first line that names the
columns, `path` and `text` among them, puts them in any order; other columns are ignored.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from asr.corpus.cuts import Utterance, describe_recording, filled_lines, first_file
from asr.errors import CorpusError

COLUMNS = {"path": 0, "text": 1, "speaker": 2}
DEV_EVERY = 10
MOST_PROBLEMS = 10  # named; the rest are counted


def is_table(path: Path) -> bool:
    """Whether a file's name says so."""
    return path.suffix.lower() == ".tsv" and path.is_file()


def read_table(path: Path) -> list[Utterance]:
    """The utterances of a table, in its order.

    Each has the name of its file without the suffix, or the path as it stands where two files share one.

    Raises:
        CorpusError: If the table cannot be read, or a line is malformed or names no recording; all such lines are told.
    """
    # A line may begin or end with a tab where columns are empty.
    lines = filled_lines(path, strip="\r\n ")
    rows = [(f"{path}:{number}", [field.strip() for field in line.split("\t")]) for number, line in lines]
    columns = COLUMNS
    if rows and {"path", "text"} <= set(rows[0][1]):
        columns = {name: index for index, name in enumerate(rows.pop(0)[1])}
    stems = Counter(Path(fields[columns["path"]]).stem for _, fields in rows if len(fields) > columns["path"])
    found: dict[str, Utterance] = {}
    problems = []
    for where, fields in rows:
        try:
            utterance = _read_row(path.parent, where, fields, columns, stems)
            if utterance.name in found:
                raise CorpusError(f"{where}: {utterance.name} is named a second time")
            found[utterance.name] = utterance
        except CorpusError as error:
            problems.append(str(error))
    if problems:
        raise CorpusError(_tell(problems))
    return list(found.values())


def split_table(utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """Hold out a tenth to watch training by: of the speakers where there are ten or more, else of the recordings.

    Where sentences seldom repeat, all recordings of one stay on one side; a few commands, said over and over, are to be
    learned and watched all.

    Raises:
        CorpusError: If there are fewer than two utterances.
    """
    if len(utterances) < 2:
        raise CorpusError(f"{len(utterances)} recordings: too few to hold some out for development")
    speakers = sorted({utterance.speaker for utterance in utterances if utterance.speaker})
    if len(speakers) >= DEV_EVERY:
        held_out = set(speakers[::DEV_EVERY])
        in_dev = [utterance.speaker in held_out for utterance in utterances]
    else:
        in_dev = [place % DEV_EVERY == 0 for place in _places([utterance.text for utterance in utterances])]
    parts: dict[str, list[Utterance]] = {"train": [], "dev": []}
    for utterance, dev in zip(utterances, in_dev, strict=True):
        parts["dev" if dev else "train"].append(utterance)
    return parts


def _places(texts: Sequence[str]) -> Sequence[int]:
    """Numbers by which recordings are held out: of the sentences, where most are said once, else of the recordings."""
    sentences = [" ".join(re.findall(r"\w+", text.lower())) for text in texts]
    different = {sentence: place for place, sentence in enumerate(dict.fromkeys(sentences))}
    if 2 * len(different) < len(texts):
        return range(len(texts))
    return [different[sentence] for sentence in sentences]


def _read_row(
    folder: Path, where: str, fields: Sequence[str], columns: Mapping[str, int], stems: Counter[str]
) -> Utterance:
    if len(fields) <= max(columns["path"], columns["text"]):
        raise CorpusError(f"{where}: expected path<TAB>text, with a tab between them, found {' '.join(fields)!r}")
    file, text = fields[columns["path"]], fields[columns["text"]]
    recording = first_file([folder / file], where=where)
    stem = Path(file).stem
    name = stem if stems[stem] == 1 else file
    speaker = columns.get("speaker", len(fields))
    return Utterance(
        name,
        describe_recording(name, recording, where),
        text,
        speaker=(fields[speaker] or None) if speaker < len(fields) else None,
    )


def _tell(problems: Sequence[str]) -> str:
    rest = len(problems) - MOST_PROBLEMS
    return "\n".join(problems[:MOST_PROBLEMS]) + (f"\n... and {rest} more" if rest > 0 else "")

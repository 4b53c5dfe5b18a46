"""Transcripts in, text in a format of choice out."""

import json
from collections.abc import Callable

from asr.recognize.transcript import Transcript

Writer = Callable[[Transcript, bool], str]


def write_txt(transcript: Transcript, named: bool = False) -> str:
    """A line: the text, after the file's name and a tab where there are several files.

    With alternatives a line each, the score before the text.
    """
    name = f"{transcript.source}\t" if named else ""
    if transcript.alternatives:
        return "".join(f"{name}{one.score:.3f}\t{one.text}\n" for one in transcript.alternatives)
    return f"{name}{transcript.text}\n"


def write_json(transcript: Transcript, named: bool = False) -> str:
    """A line of JSON (JSON Lines); it always names the file."""
    return json.dumps(transcript.to_dict(), ensure_ascii=False) + "\n"


WRITERS: dict[str, Writer] = {"txt": write_txt, "json": write_json}

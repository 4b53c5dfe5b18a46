"""Which files are meant by the paths that a person gives."""

import stat
from collections.abc import Sequence
from pathlib import Path

from asr.errors import AudioError

# What is taken from a folder; a file that is named is read whatever its name is.
_SOUND = [".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".au", ".caf", ".w64", ".m4a", ".aac"]
_FILM = [".mp4", ".mkv", ".mov", ".webm", ".avi", ".3gp", ".wma", ".amr"]  # and what else ffmpeg is needed for
SUFFIXES = frozenset([*_SOUND, *_FILM])


def find_audio(paths: Sequence[Path]) -> tuple[list[Path], list[AudioError]]:
    """Files as they are given, and the recordings in folders and the folders within.

    Args:
        paths: Files and folders.

    Returns:
        Each recording once, in the order of the paths and by name within a folder; and an error
        for each path that is missing or a folder without recordings.
    """
    files: dict[Path, None] = {}
    errors = []
    for path in paths:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except FileNotFoundError:
            errors.append(AudioError(f"{path}: no such file or folder; check the path"))
            continue
        except (OSError, ValueError):  # no permission to look, a name too long, a null byte in it
            is_folder = False  # reading it will tell the reason
        if not is_folder:
            files[path] = None
        elif found := _recordings(path):
            files.update(dict.fromkeys(found))
        else:
            errors.append(AudioError(f"{path}: a folder without audio; looked for {', '.join(sorted(SUFFIXES))}"))
    return list(files), errors


def _recordings(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )

"""A table of a Kaldi folder, to try this recipe with: `python recipes/own-data/table.py FOLDER SECONDS`.

At most so many seconds of its recordings, in their order, as lines of path<TAB>text to standard output.
"""

import sys
from pathlib import Path

import soundfile


def main() -> None:
    folder, seconds = Path(sys.argv[1]).resolve(), float(sys.argv[2])
    paths = read(folder / "wav.scp")
    for name, text in read(folder / "text").items():
        path = next(path for path in (folder / paths[name], folder.parent / paths[name]) if path.exists())
        seconds -= soundfile.info(path).duration
        if seconds < 0:
            break
        print(f"{path}\t{text}")


def read(path: Path) -> dict[str, str]:
    lines = (line.strip().replace("\t", " ").partition(" ") for line in path.read_text(encoding="utf-8").splitlines())
    return {name: value for name, _, value in lines}


if __name__ == "__main__":
    main()

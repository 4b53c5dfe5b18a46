"""Record the newest versions that fit together, for each Python, in `constraints/`: `make constraints`.

What `pyproject.toml` admits is resolved for all extras at once, so that an environment of any of them, or of several,
holds the same versions. `make` and CI install these. Run the tests before committing what changed.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
# Renewed by hand, after training and its tests have run with the new release: see the table in docs/install.md.
HELD = ("torch==2.13.0",)
HEADER = """\
# Versions that are known to work together on Python {python}, written by tools/renew_constraints.py (make constraints).
# python -m pip install -c constraints/python{python}.txt .
"""


def resolve(python: str, held: tuple[str, ...] = HELD) -> list[str]:
    """Return a line `name==version` for each package that any extra needs on that Python."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "-", "--all-extras"]
    command += ["--python-version", python, "--no-python-downloads", "--no-annotate", "--no-header", "--quiet"]
    output = subprocess.run(command, cwd=ROOT, input="\n".join(held), stdout=subprocess.PIPE, text=True, check=True)
    return [line for line in output.stdout.splitlines() if re.match(r"[\w.-]+==", line)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "pythons", nargs="*", default=PYTHONS, metavar="PYTHON", help="versions; default: all supported"
    )
    for python in parser.parse_args().pythons:
        lines = resolve(python)
        path = ROOT / "constraints" / f"python{python}.txt"
        path.write_text(HEADER.format(python=python) + "\n".join(lines) + "\n", encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {len(lines)} packages")


if __name__ == "__main__":
    main()

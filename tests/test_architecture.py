"""The house keeps its order: imports go one way, light modules stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import asr

PACKAGE = Path(asr.__file__).parent
# A module may import from its own layer and from those before it.
LAYERS = [
    {"errors", "atomic", "config", "compiled", "cells", "weights", "__init__"},
    {"signal", "text"},
    {"acoustic", "language"},
    {"decode"},
    {"recognize"},
    {"score"},
    {"train"},
    {"live"},
    {"cli"},
]
# Parts that must not know of each other, whatever their height: importer, imported.
STRANGERS = {
    ("signal", "text"),
    ("text", "signal"),
    ("acoustic", "text"),
    ("acoustic", "language"),
    ("language", "acoustic"),
    ("decode", "signal"),
    ("decode", "acoustic"),
}


def part_of(module: str) -> str:
    """`asr.train.run` is of the part `train`."""
    return module.split(".")[1] if "." in module else "__init__"


def height(part: str) -> int:
    return next(index for index, layer in enumerate(LAYERS) if part in layer)


def imports() -> list[tuple[str, str]]:
    """Pairs of a module and a module of asr that it imports."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path == PACKAGE / "__init__.py":
            continue  # it only hands names on, when they are asked for
        module = ".".join(["asr", *path.relative_to(PACKAGE).with_suffix("").parts])
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "asr":
                found.append((module, node.module))
            elif isinstance(node, ast.Import):
                found += [(module, name.name) for name in node.names if name.name.split(".")[0] == "asr"]
    return found


def test_imports_go_one_way():
    wrong = [
        f"{module} imports {imported}"
        for module, imported in imports()
        if height(part_of(imported)) > height(part_of(module)) or (part_of(module), part_of(imported)) in STRANGERS
    ]
    assert wrong == []


@pytest.mark.parametrize("statement", ["import asr", "import asr.cli.app", "import asr.config"])
def test_light_modules_load_nothing_heavy(statement: str):
    heavy = "{'torch', 'torchaudio', 'lhotse', 'librosa', 'numba', 'lightning', 'jiwer'}"
    code = f"import sys; {statement}; print(sorted({heavy} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "None")],
)
def test_openmp_is_tamed_unless_the_user_said_how(environment: dict[str, str], expected: str):
    code = "import asr, os; print(os.environ.get('GOMP_SPINCOUNT'))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert told.stdout.strip() == expected

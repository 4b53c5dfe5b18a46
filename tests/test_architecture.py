"""The house keeps its order: two wings, imports that go one way, small rooms, one place that talks to the console."""

import ast
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import asr

PACKAGE = Path(asr.__file__).parent
BASE = {"atomic", "config", "errors", "files", "jit", "remote", "reporter", "seeds", "select", "weights"}
# What runs a model; a part may import from its own layer and from those before it.
RUNS = [BASE, {"signal", "text"}, {"transcript", "model_files"}, {"runtime"}]
RUNS += [{"alignment", "language"}, {"decode"}, {"recognize"}, {"spotting"}, {"live", "jobs", "convert"}, {"cluster"}]
MAKES = [{"acoustic"}, {"corpus"}, {"evaluate"}, {"train"}]
LAYERS = [*RUNS, *MAKES, {"cli"}, {"__main__"}]
# Parts of equal or lower layers that must not know of each other: importer, imported.
STRANGERS = {
    ("signal", "text"),
    ("text", "signal"),
    ("runtime", "text"),
    ("decode", "signal"),
    ("decode", "runtime"),
    ("live", "jobs"),
    ("jobs", "live"),
    ("cluster", "live"),
    ("acoustic", "text"),
    ("corpus", "acoustic"),
}
# The only way from the first wing into the second: the network in torch, which a GPU runs and which trains.
BRIDGE = "asr.runtime.torch_"

MOST_MODULES = 13
MOST_LINES = 40
MOST_PARAMETERS = 9


def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["asr", *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text(encoding="utf-8"))
    return found


TREES = modules()


def imported_modules(tree: ast.Module) -> Iterator[str]:
    """Modules of asr that a module imports, wherever in it: at the top, deferred or for type checkers alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "asr":
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in TREES else node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "asr")


IMPORTS = {module: set(imported_modules(tree)) - {module} for module, tree in TREES.items()}


def part_of(module: str) -> str:
    """`asr.train.run` is of the part `train`."""
    return module.split(".")[1] if "." in module else module


def height(module: str) -> int:
    return next(index for index, layer in enumerate(LAYERS) if part_of(module) in layer)


def edges() -> Iterator[tuple[str, str]]:
    for module, imported in IMPORTS.items():
        for one in imported:
            if "asr" not in (module, one):
                yield module, one


def test_every_part_has_its_place():
    assert {part_of(module) for module in TREES} - {"asr"} == set.union(*LAYERS) - {"__init__"}


def test_imports_go_one_way():
    wrong = [
        f"{module} imports {imported}"
        for module, imported in edges()
        if (height(imported) > height(module) or (part_of(module), part_of(imported)) in STRANGERS)
        and not (module.startswith(BRIDGE) and part_of(imported) == "acoustic")
    ]
    assert wrong == []


def test_what_runs_a_model_knows_nothing_of_what_makes_one():
    runs, makes = set.union(*RUNS), set.union(*MAKES)
    wrong = {
        f"{module} imports {imported}"
        for module, imported in edges()
        if part_of(module) in runs and part_of(imported) in makes and not module.startswith(BRIDGE)
    }
    assert wrong == set()


def circles() -> list[set[str]]:
    """Sets of modules that import each other, directly or not (Kosaraju's algorithm)."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(module: str) -> None:
        seen.add(module)
        for imported in sorted(IMPORTS.get(module, set()) - seen):
            if imported not in seen:
                visit(imported)
        order.append(module)

    for module in TREES:
        if module not in seen:
            visit(module)
    importers = defaultdict(set)
    for module, imported in IMPORTS.items():
        for one in imported:
            importers[one].add(module)
    components, placed = [], set()
    for module in reversed(order):
        if module in placed:
            continue
        component, waiting = set(), [module]
        while waiting:
            current = waiting.pop()
            if current not in placed:
                placed.add(current)
                component.add(current)
                waiting += importers[current]
        components.append(component)
    return [component for component in components if len(component) > 1]


def test_no_import_circles():
    assert circles() == []


def outside_the_command_line() -> Iterator[tuple[str, ast.Module]]:
    yield from ((module, tree) for module, tree in TREES.items() if part_of(module) not in ("cli", "__main__"))


def test_only_the_command_line_names_flags():
    flag = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
    named = [
        f"{module}: {match.group()}"
        for module, tree in outside_the_command_line()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for match in flag.finditer(node.value)
    ]
    assert named == []


# What of consoles other modules may know, and why.
CONSOLES_ALLOWED = {
    ("asr.jobs.outputs", "sys.stdout"): "transcripts go to standard output unless files are asked for",
    ("asr.jobs.transcribe", "sys.stdout"): "no progress is reported between transcripts on a terminal",
    ("asr.transcript.transcript", "rich.text"): "Transcript renders itself as a Text, which knows no console",
}


def consoles(tree: ast.AST) -> Iterator[str]:
    """What a module knows of consoles, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module.split(".")[0] in ("rich", "typer", "click"):
                yield module
            yield from (f"{module}.{name.name}" for name in node.names if name.name in ("Console", "stdout", "stderr"))
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] in ("rich", "typer", "click"))
        elif isinstance(node, ast.arg) and node.arg == "console":
            yield "console"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield "print"
        elif isinstance(node, ast.Attribute) and re.fullmatch(r"sys\.(__)?std(out|err)(__)?", ast.unparse(node)):
            yield ast.unparse(node)


def test_only_the_command_line_knows_consoles():
    known = {(module, what) for module, tree in outside_the_command_line() for what in consoles(tree)}
    assert known == set(CONSOLES_ALLOWED)


@pytest.mark.parametrize(
    ("code", "known"),
    [
        ("import sys\nsys.stderr.write('no')", ["sys.stderr"]),
        ("def run():\n    from sys import stdout", ["sys.stdout"]),
        ("import typer, rich.table", ["typer", "rich.table"]),
        ("from rich.console import Console", ["rich.console", "rich.console.Console"]),
        ("def run(console): print(console)", ["console", "print"]),
        ("import sys\nsys.stdin.read()", []),
    ],
)
def test_consoles_are_found_in_code(code: str, known: list[str]):
    assert sorted(consoles(ast.parse(code))) == sorted(known)


def test_rooms_stay_small():
    sizes = Counter(path.parent for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    assert {str(folder): size for folder, size in sizes.items() if size > MOST_MODULES} == {}


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body, its docstring apart."""
    body = function.body[ast.get_docstring(function) is not None :]
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_functions_stay_short():
    assert {
        f"{module}.{function.name}": body_lines(function)
        for module, tree in TREES.items()
        for function in functions(tree)
        if body_lines(function) > MOST_LINES
    } == {}


def test_functions_take_few_parameters():
    counts = {
        f"{module}.{function.name}": len([*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs])
        for module, tree in outside_the_command_line()
        for function in functions(tree)
    }
    assert {name: count for name, count in counts.items() if count > MOST_PARAMETERS} == {}


@pytest.mark.parametrize("statement", ["import asr", "import asr.cli.app", "import asr.config"])
def test_light_modules_load_nothing_heavy(statement: str):
    heavy = "{'torch', 'torchaudio', 'lhotse', 'librosa', 'numba', 'lightning_fabric', 'jiwer', 'numpy', 'onnxruntime'}"
    code = f"import sys; {statement}; print(sorted({heavy} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "None")],
)
def test_openmp_is_tamed_unless_the_user_said_how(environment: dict[str, str], expected: str):
    code = "import asr, os; print(os.environ.get('GOMP_SPINCOUNT'))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert printed.stdout.strip() == expected


def test_layers_name_each_part_once():
    assert all(not first & second for index, first in enumerate(LAYERS) for second in LAYERS[index + 1 :])
    assert all(first and second for first, second in pairwise(LAYERS))

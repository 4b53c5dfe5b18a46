"""The pages for people: their size, their links, and figures that stand in one place, each with its command."""

import re
from collections import Counter
from pathlib import Path

import pytest
import typer

from asr.cli.app import app
from tests.test_architecture import BRIDGE, LAYERS, edges, part_of

ROOT = Path(__file__).parent.parent
DOCS = sorted(ROOT.glob("docs/*.md"))
RECIPES = sorted(ROOT.glob("recipes/*/README.md"))
CARDS = sorted(ROOT.glob("asr/models/*/README.md"))
COMMUNITY = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *COMMUNITY, *DOCS, *RECIPES, *CARDS]
FIGURE = re.compile(r"\b\d+\.\d\d(?= ?%)")
LINK = re.compile(r"\]\(([^)#:]*)(?:#([^)]*))?\)")
# Different measurements that happen to be equal.
COINCIDENCES = {
    "2.57",  # CER on AN4's test set, of the shipped model and of the recipe's first seed
    "6.21",  # WER on AN4's test set: the an4 recipe's second seed, `an4` in chunks
    "3.88",  # WER on AN4's test set with trigrams, of the shipped model and of the recipe's first seed
}


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_the_readme_is_short():
    assert len(read(ROOT / "README.md").splitlines()) <= 120


def test_each_figure_stands_in_one_place():
    pages = [read(page) for page in (ROOT / "README.md", *DOCS, *RECIPES)]
    pages += [text.replace(rows, "") for text, rows in cards()]
    counts = Counter(figure for page in pages for figure in FIGURE.findall(page))
    main_pages = [read(ROOT / "README.md"), read(ROOT / "docs" / "benchmarks.md"), *(text for text, _ in cards())]
    quoted = {figure for page in main_pages for figure in FIGURE.findall(page)}
    assert {figure for figure in quoted - COINCIDENCES if counts[figure] > 1} == set()


def cards() -> list[tuple[str, str]]:
    """The text of each model card, and the rows of its table of results."""
    from asr.evaluate.report import read_results

    return [(read(card), read_results(card.parent)[1].partition("\n\n")[0]) for card in CARDS]


def test_only_the_readme_quotes_the_results_on_model_cards():
    rates = {row.split("|")[4] for _, rows in cards() for row in rows.splitlines()}  # the word error rates
    measured = {figure for rate in rates for figure in FIGURE.findall(rate)}
    rows = re.findall(r"^\| \*\*asr\*\*.*$", read(ROOT / "README.md"), flags=re.MULTILINE)
    assert len(rows) == len(CARDS)
    assert {figure for row in rows for figure in FIGURE.findall(row)} <= measured
    others = [read(ROOT / "README.md").replace("\n".join(rows), ""), *map(read, [*DOCS, *RECIPES])]
    assert {figure for page in others for figure in FIGURE.findall(page)} & measured - COINCIDENCES == set()


def sections() -> dict[str, str]:
    _, *parts = re.split(r"^## ", read(ROOT / "docs" / "benchmarks.md"), flags=re.MULTILINE)
    return {part.partition("\n")[0]: part for part in parts}


@pytest.mark.parametrize("title", sections())
def test_each_benchmark_has_its_command_and_date(title: str):
    commands = find_commands(sections()[title])
    assert commands
    assert [command for command in commands if not exists(command)] == []
    assert re.search(r"\b20\d\d-\d\d-\d\d\b", sections()[title])


def find_commands(text: str) -> list[str]:
    """Scripts and asr commands in code."""
    code = "\n".join(block or inline for block, inline in re.findall(r"```\n(.*?)```|`([^`\n]+)`", text, re.DOTALL))
    return re.findall(r"(?:tools|recipes)/[\w/-]+\.(?:py|sh)|^asr (?:lm )?\w+", code, flags=re.MULTILINE)


def exists(command: str) -> bool:
    """Return whether a script is a file, or a command is one of asr's."""
    return find_asr_command(command) is not None if command.startswith("asr ") else (ROOT / command).is_file()


def find_asr_command(line: str) -> typer.core.TyperCommand | None:
    """Find the command that a line starts with; None if there is no such command."""
    found = typer.main.get_command(app)
    for word in line.split()[1:]:
        if not hasattr(found, "commands"):
            break
        if word not in found.commands:
            return None
        found = found.commands[word]
    return found


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_commands_exist(page: Path):
    assert [command for command in find_commands(read(page)) if not exists(command)] == []


@pytest.mark.parametrize("page", [*PAGES, *sorted(ROOT.glob("recipes/*/*.sh"))], ids=relative)
def test_options_exist(page: Path):
    text = read(page).replace("\\\n", " ")
    if page.suffix == ".md":
        text = "\n".join(block or inline for block, inline in re.findall(r"```\n(.*?)```|`([^`\n]+)`", text, re.DOTALL))
    unknown = []
    for line in re.findall(r"^ *(?:\[.*\] (?:&&|\|\|) )?(asr [a-z].*?)(?:  #.*)?$", text, flags=re.MULTILINE):
        command = find_asr_command(line)
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        unknown += [option for option in re.findall(r"(?<= )--[a-z-]+", line) if option not in {*options, "--help"}]
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_and_pictures_exist(page: Path):
    broken = []
    for target, anchor in LINK.findall(read(page)):
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(f"{target}#{anchor}")
    assert broken == []


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub and MkDocs make links of them."""
    headings = re.findall(r"^#+ (.*)$", read(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def map_rows() -> list[tuple[str, list[str]]]:
    """Each row of the map: its room, "" for asr/ itself, and its modules."""
    the_map = read(ROOT / "docs" / "architecture.md").partition("## The map")[2].partition("##")[0]
    rows = re.findall(r"^\| `([\w/]+)/` \|[^|]*\| ([\w ]+) \|$", the_map, flags=re.MULTILINE)
    return [(room.removeprefix("asr"), modules.split()) for room, modules in rows]


def parts_of_rows() -> list[list[str]]:
    """The parts that each row of the map stands for, as `tests.test_architecture` names them."""
    return [[room.partition("/")[0]] if room else modules for room, modules in map_rows()]


def test_the_map_is_in_the_order_of_the_layers():
    layers = [[index for index, layer in enumerate(LAYERS) if part in layer] for row in parts_of_rows() for part in row]
    assert all(len(places) == 1 for places in layers)
    assert layers == sorted(layers)


def test_rooms_import_only_upwards_in_the_map():
    row_of: dict[str, int] = {}
    for row, parts in enumerate(parts_of_rows()):
        for part in parts:
            row_of.setdefault(part, row)
    wrong = {
        f"{module} imports {imported}"
        for module, imported in edges()
        if row_of[part_of(imported)] > row_of.get(part_of(module), len(map_rows())) and not module.startswith(BRIDGE)
    }
    assert wrong == set()


def test_the_map_names_the_modules_of_each_room():
    rooms: dict[str, set[str]] = {}
    for room, modules in map_rows():
        rooms.setdefault(room, set()).update(modules)
    files: dict[str, set[str]] = {}
    for path in ROOT.glob("asr/**/*.py"):
        if not path.stem.startswith("__"):
            files.setdefault(relative(path.parent).removeprefix("asr").strip("/"), set()).add(path.stem)
    assert rooms == files


def test_the_map_names_files_that_exist():
    code = re.findall(r"`([^`\n ]+(?:/|\.py|\.sh))`", read(ROOT / "docs" / "architecture.md"))
    assert len(code) > 60
    folders = ("", "asr/**/", "recipes/*/")
    assert [name for name in code if not any(list(ROOT.glob(folder + name)) for folder in folders)] == []

"""Corpora that lhotse has recipes for in, cuts out."""

import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lhotse import CutSet, recipes

from asr.errors import CorpusError, one_line


def list_recipes() -> dict[str, str]:
    """Return the names of the corpora, sorted, each with a one-line description."""
    return {name: _first_sentence(recipe) for name, recipe in sorted(_find_recipes().items())}


def read_by_recipe(name: str, source: Path) -> dict[str, CutSet]:
    """Read a corpus with lhotse's recipe for it.

    Args:
        name: One of `list_recipes`.
        source: The folder of the corpus.

    Raises:
        CorpusError: If there is no such folder, or the recipe fails.
    """
    recipe = _find_recipes()[name]
    if not source.is_dir():
        raise CorpusError(f"{source}: expected the folder of the corpus {name}, but it does not exist")
    with tempfile.TemporaryDirectory() as scratch:
        # Some recipes insist on writing their own manifests, which are not needed.
        options = {"output_dir": Path(scratch)} if "output_dir" in _required_parameters(recipe) else {}
        try:
            manifests = recipe(source.resolve(), **options)
        except Exception as error:  # recipes fail in any way they like on an unexpected layout
            raise CorpusError(f"{source}: lhotse's recipe for {name} failed: {one_line(error)}") from error
    return {part: _to_cuts(manifests_of_part) for part, manifests_of_part in _flatten(manifests)}


def _find_recipes() -> dict[str, Callable[..., Any]]:
    """Return lhotse's recipes that need nothing but the folder of the corpus."""
    named = {
        name.removeprefix("prepare_"): getattr(recipes, name) for name in dir(recipes) if name.startswith("prepare_")
    }
    return {name: recipe for name, recipe in named.items() if len(_required_parameters(recipe) - {"output_dir"}) == 1}


def _required_parameters(recipe: Callable[..., Any]) -> set[str]:
    parameters = inspect.signature(recipe).parameters.values()
    return {p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}


def _first_sentence(recipe: Callable[..., Any]) -> str:
    module = inspect.getmodule(recipe)
    text = " ".join(((module and inspect.getdoc(module)) or "").split())
    return text.split(". ")[0][:100].rstrip(".:") or "a lhotse recipe"


def _flatten(manifests: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the parts of what a recipe returns: manifests, or manifests by part, or by language and part."""
    if "recordings" in manifests:
        if manifests.get("supervisions") is not None:
            yield prefix or "all", manifests
        return
    for key, value in manifests.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}-{key}" if prefix else str(key))


def _to_cuts(manifests: Mapping[str, Any]) -> CutSet:
    cuts = CutSet.from_manifests(recordings=manifests["recordings"], supervisions=manifests["supervisions"])
    return CutSet([_name_after_supervision(cut) for cut in cuts.trim_to_supervisions(keep_overlapping=False)])


def _name_after_supervision(cut: Any) -> Any:
    for source in cut.recording.sources:
        if source.type == "file":
            source.source = str(Path(source.source).absolute())
    return cut.with_id(cut.supervisions[0].id)

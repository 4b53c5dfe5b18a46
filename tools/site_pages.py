"""MkDocs hook: make the documentation site from the repository's own Markdown files, at their own paths.

Links that work on GitHub work on the site. Other files that a page links to (sources, settings, pictures) are copied;
links to folders, which a static site cannot show, become plain text.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/*.md",
    "recipes/*/README.md",
    "asr/models/*/README.md",
)
STYLE = "docs/site.css"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#:]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Replace what MkDocs found in docs/ by the repository's pages and what they link to."""
    theme_files = [file for file in files if not Path(file.abs_src_path or "").is_relative_to(ROOT / "docs")]
    pages = [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]
    linked = {target for page in pages for target in _linked_files(page)}
    paths = [*pages, ROOT / STYLE, *sorted(linked - set(pages))]
    return Files([*theme_files, *(_site_file(path, config) for path in paths)])


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links to folders into text."""
    folder = (ROOT / page.file.src_uri).parent

    def without_folder(link: re.Match[str]) -> str:
        return link[2] if (folder / link[3]).is_dir() else link[0]

    return LINK.sub(without_folder, markdown)


def _site_file(path: Path, config: Any) -> File:
    return File(str(path.relative_to(ROOT)), str(ROOT), config.site_dir, config.use_directory_urls)


def _linked_files(page: Path) -> set[Path]:
    targets = (page.parent / link[3] for link in LINK.finditer(page.read_text(encoding="utf-8")))
    return {target.resolve() for target in targets if target.is_file()}

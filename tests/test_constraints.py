"""The recorded versions: each package that we name stands there for each Python, in a version that we admit."""

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packages import ROOT, project, requirements

sys.path.insert(0, str(ROOT / "tools"))

import try_newest

PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def pins(python: str) -> dict[str, Version]:
    text = (ROOT / "constraints" / f"python{python}.txt").read_text(encoding="utf-8")
    found = [Requirement(line) for line in text.splitlines() if not line.startswith("#")]
    versions = {canonicalize_name(pin.name): Version(str(pin.specifier).removeprefix("==")) for pin in found}
    assert len(versions) == len(found)
    return versions


def test_there_is_a_record_for_each_python_that_is_supported():
    supported = SpecifierSet(project()["requires-python"])
    assert [f"3.{minor}" for minor in range(8, 20) if f"3.{minor}" in supported] == list(PYTHONS)
    assert {path.name for path in Path(ROOT / "constraints").iterdir()} == {f"python{name}.txt" for name in PYTHONS}


@pytest.mark.parametrize("python", PYTHONS)
def test_each_package_of_each_extra_is_recorded_in_a_version_that_is_admitted(python: str):
    versions = pins(python)
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    wrong = [
        str(requirement)
        for extra in (None, *project()["optional-dependencies"])
        for requirement in requirements(extra)
        if requirement.marker is None or requirement.marker.evaluate(environment)
        if versions.get(canonicalize_name(requirement.name)) not in requirement.specifier
    ]
    assert wrong == []


@pytest.mark.parametrize("python", PYTHONS)
def test_recorded_versions_are_public_releases(python: str):
    assert [name for name, version in pins(python).items() if version.local or version.is_prerelease] == []


def test_what_runs_a_model_needs_none_of_what_makes_one():
    base = {canonicalize_name(requirement.name) for requirement in requirements()}
    makes = {"torch", "torchaudio", "lightning-fabric", "lhotse", "librosa", "scipy", "matplotlib", "jiwer"}
    assert base & makes == set()
    assert all(not re.search(r"torchaudio", str(requirement)) for requirement in requirements("train"))


def test_the_trial_of_the_newest_names_what_differs_from_the_record():
    recorded = pins(f"3.{sys.version_info.minor}")
    listed = [{"name": name, "version": str(version)} for name, version in recorded.items()]
    assert try_newest.differences(listed) == ["the recorded versions are the newest"]
    listed += [{"name": "NumPy", "version": "99.1"}, {"name": "no-dependency", "version": "1"}]
    assert try_newest.differences(listed) == [f"numpy 99.1 (recorded: {recorded['numpy']})"]

"""The Binder environment installs what the package asks for, and no CUDA build."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = (ROOT / "binder" / "environment.yml").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_requirement_is_in_the_environment_with_the_same_bounds() -> None:
    project = PYPROJECT["project"]
    listed = set(re.findall(r"^  - (\S+)(?: #.*)?$", ENVIRONMENT, flags=re.MULTILINE))
    wanted = {each.replace("torch>", "pytorch-cpu>") for each in project["dependencies"]}
    assert wanted | set(project["optional-dependencies"]["lab"]) <= listed


def test_the_package_itself_is_installed_without_fetching_again() -> None:
    script = (ROOT / "binder" / "postBuild").read_text(encoding="utf-8")
    assert "--no-deps" in script
    assert "-e ." in script

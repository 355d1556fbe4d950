"""What pyproject.toml can't say: what lies in the environment's share/, the stand-ins inside the
package's own name, and the README as a package index shows it.

Man page and completion are made of the program's own help. The README's links lead to files beside
it, which an index has not: there they lead to the same files of the same version in the repository.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent

sys.path.insert(0, str(HERE))
from tdl_sync.cli.completion.scripts import completion_script  # noqa: E402 - from beside this file
from tdl_sync.cli.man_page import FILE_NAME, man_page  # noqa: E402


def found(pattern: str, file: str) -> str:
    match = re.search(pattern, (HERE / file).read_text("utf-8"), re.MULTILINE)
    assert match is not None, f"{file} holds no {pattern}"
    return match[1]


repository = found(r'^Repository = "(.+)"', "pyproject.toml")
version = found(r'^VERSION = "(.+)"', "tdl_sync/core/program.py")
readme = (HERE / "README.md").read_text("utf-8")
to_file = rf"\1{repository}/blob/v{version}/\2"
to_picture = rf"\1{repository}/raw/v{version}/\2"
beside = r"(?!https?:|mailto:|#)([^)\s]+\))"
readme = re.sub(rf"(!\[[^]]*\]\(){beside}", to_picture, readme)
readme = re.sub(rf"((?<!!)\[(?:[^][]|\[[^]]*\])*\]\(){beside}", to_file, readme)

# Where man and the shells look, beside the directory of the program.
MADE = {
    f"share/man/man1/{FILE_NAME}": man_page,
    "share/bash-completion/completions/tdl-sync": lambda: completion_script("bash"),
    "share/zsh/site-functions/_tdl-sync": lambda: completion_script("zsh"),
    "share/fish/vendor_completions.d/tdl-sync.fish": lambda: completion_script("fish"),
}
PAGES = "share/doc/tdl-sync"
"""Here lie the pages that the help names, and the recipes, as they lie in a checkout."""

data_files: dict[str, list[str]] = defaultdict(list)
for place, make in MADE.items():
    # The build goes on in this directory, and takes no absolute path.
    made = Path("build", place)
    (HERE / made).parent.mkdir(parents=True, exist_ok=True)
    (HERE / made).write_text(make(), "utf-8", newline="\n")
    data_files[made.relative_to("build").parent.as_posix()].append(made.as_posix())
papers = ["README.md", "CHANGELOG.md", "SECURITY.md", "rclone.conf.example"]
for folder in ("docs", "recipes"):
    papers += [
        path.relative_to(HERE).as_posix()
        for path in sorted((HERE / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
for paper in papers:
    if (HERE / paper).exists():  # an image is built without them
        data_files[(PAGES / Path(paper).parent).as_posix()].append(paper)

# An installed program shows its demo by them; a package of that name alone would be in the way of
# others.
stand_ins = [
    name.replace("standins", "tdl_sync.standins", 1)
    for name in find_packages(str(HERE), include=["standins", "standins.*"])
]

setup(
    packages=[*find_packages(str(HERE), include=["tdl_sync*"]), *stand_ins],
    package_dir={"tdl_sync.standins": "standins"},
    long_description=readme,
    long_description_content_type="text/markdown",
    data_files=sorted(data_files.items()),
)

"""What pyproject.toml can't say: the man page, and the README as a package index shows it.

The page is made of the program's own help. The README's links lead to files beside it, which an
index has not: there they lead to the same files of the same version in the repository.
"""

import re
import sys
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).resolve().parent

sys.path.insert(0, str(HERE))
from tdl_sync.cli.man_page import FILE_NAME, man_page  # noqa: E402 - from beside this file


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

made = Path("build", FILE_NAME)  # the build goes on in this directory, and takes no absolute path
(HERE / made).parent.mkdir(exist_ok=True)
(HERE / made).write_text(man_page(), "utf-8")

setup(
    long_description=readme,
    long_description_content_type="text/markdown",
    data_files=[("share/man/man1", [made.as_posix()])],
)

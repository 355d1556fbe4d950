"""What pyproject.toml can't say: the README as a package index shows it.

Its links lead to files beside it, which an index has not: there they lead to the same files of the
same version in the repository.
"""

import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent


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

setup(long_description=readme, long_description_content_type="text/markdown")

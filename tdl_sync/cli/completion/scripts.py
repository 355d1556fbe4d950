"""``completion bash|zsh|fish``: a script that tells the shell how a command line can go on."""

from __future__ import annotations

from tdl_sync.cli.completion.bash import bash_script
from tdl_sync.cli.completion.fish import fish_script
from tdl_sync.cli.completion.zsh import zsh_script

_SCRIPTS = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}


def completion_script(shell: str) -> str:
    """``shell`` is one of ``usage.SHELLS``."""
    return _SCRIPTS[shell]()

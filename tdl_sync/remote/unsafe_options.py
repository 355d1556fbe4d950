"""Refuses to start with options of rclone's that would make "done" untrue, wherever they are set.

Most are overruled by what each call names; here are those that can't be (``options/rclone_options``
knows which), and what rclone itself says is in effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.text import printable
from tdl_sync.options.rclone_options import RefusedKey, Treatment, option_of, refused_keys
from tdl_sync.remote.call_options import NO_FILTER, call_config
from tdl_sync.remote.chain import Link, chain, variable_for, variables_of
from tdl_sync.remote.remote_control import RemoteControl, Sections

_LOCAL = "local"
"""A section that is called so counts for plain paths, the staging directory among them."""

_ALIKE: Mapping[object, tuple[object, ...]] = {
    # Numbers for no limit: of sizes, and of ages.
    "off": (-1, 2**63 - 1),
    "HARD": (0,),
    0: ("",),
}
"""How rclone shows values that calls name otherwise."""


def refuse_unsafe_options(control: RemoteControl, sections: Sections, remote: str) -> None:
    """Raises ``ConfigurationError`` for the first that it finds, with the mend, and ``CallFailed``.

    ``sections`` are those of the configuration.
    """
    _check_in_effect(control)
    _check_flags(control)
    known: dict[str, frozenset[str]] | None = None
    for found in _refused(control, sections, remote):
        if not found.refused.is_known:
            # Old keys and misspelt ones stand in many a configuration, and do nothing.
            known = control.options_by_type() if known is None else known
            if not _may_count(found, known):
                continue
        raise ConfigurationError(printable(found.text))


@dataclass(frozen=True)
class _Found:
    refused: RefusedKey
    type: str
    where: str
    mend: str

    @property
    def text(self) -> str:
        return f"{self.where} sets {self.refused.key}, {self.refused.why}; {self.mend}"


def _refused(control: RemoteControl, sections: Sections, remote: str) -> Iterator[_Found]:
    config_file = control.rclone.config_file
    configuration = "rclone's configuration" if config_file is None else str(config_file)
    links = list(chain(sections, remote, control.rclone.arguments))
    names = {link.name for link in links}
    if _LOCAL in sections and _LOCAL not in names:
        section = sections[_LOCAL]
        links.append(Link(_LOCAL, section.get("type", ""), "", section, {}, "--remote"))
    for link in links:
        if not link.type:
            continue  # rclone does not know it either, and says so
        for refused in refused_keys(link.name, link.type, link.section):
            where = f"the section [{link.name}] of {configuration}"
            yield _Found(refused, link.type, where, "take it out of there")
        for refused in refused_keys(link.name, link.type, link.notation):
            yield _Found(refused, link.type, link.said_in, "leave it out there")
        if link.name:
            by_variables = variables_of(link.name)
            for refused in refused_keys(link.name, link.type, by_variables):
                where = f"the variable {variable_for(link.name, refused.key)}"
                yield _Found(refused, link.type, where, "unset it")


def _may_count(found: _Found, known: Mapping[str, frozenset[str]]) -> bool:
    """Whether rclone knows an option that our list does not."""
    key = found.refused.key.lower().replace("-", "_")
    is_for_all = key.startswith(("global.", "override."))
    return is_for_all or key in known.get(found.type, frozenset({key}))


def _check_in_effect(control: RemoteControl) -> None:
    """That what each call names is what counts in it, for this rclone as it runs here."""
    named = {**call_config(), **NO_FILTER}
    shown = control.in_effect()
    for name, value in named.items():
        if name in shown and not _same(value, shown[name]):
            raise ConfigurationError(
                f"{control.rclone.executable} can't be told {name} = {value!r} by a call: it shows "
                f"{printable(repr(shown[name]))}; name another rclone with --rclone"
            )


def _same(named: object, shown: object) -> bool:
    if isinstance(named, Mapping):
        return isinstance(shown, Mapping) and all(
            _same(value, shown.get(name)) for name, value in named.items()
        )
    if named in (None, "", []):
        return not shown
    if isinstance(named, list):
        return named == shown
    if isinstance(named, bool):
        return shown is named
    return shown == named or shown in _ALIKE.get(named, ())


def _check_flags(control: RemoteControl) -> None:
    """A script in rclone's place may add flags; what calls name wins over those, but an option that
    nobody has thought about is named by none."""
    for name in control.options_set():
        option = option_of(name)
        if option is None or option.treatment is Treatment.UNSAFE:
            raise ConfigurationError(
                f"{control.rclone.executable} runs with --{printable(name).replace('_', '-')} set, "
                "of which tdl_sync does not know what it would do to the files; take it out where "
                "it is set, or name another rclone with --rclone"
            )

"""Regular expressions of the user, held against hostile texts in bounded time.

Python's own ``re`` can need longer than a life for an expression such as ``(a+)+$`` and a text that
somebody has posted, and holds all threads meanwhile, signals too. ``regex`` takes the same
expressions, most such ones in no time, and gives up the others. Linear engines (RE2) were not
chosen: they know no look-ahead and no back-references.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tdl_sync.core.errors import ConfigurationError

MOST_CHARACTERS = 500
MOST_SECONDS = 2.0
"""Of the whole process's processor time. Ordinary searches take microseconds."""


class ExpressionTooSlow(ConfigurationError):
    """Whether it is found in a text could not be told, so nothing is decided by it."""

    def __init__(self, expression: str, message_id: int, seconds: float) -> None:
        self.expression = expression
        self.message_id = message_id
        super().__init__(
            f"the expression {expression!r} took more than {seconds:g} s for the text of message "
            f"{message_id}; write it without a repetition within a repetition"
        )


@dataclass(frozen=True)
class Expression:
    """``pattern`` as the user wrote it. Searched for anywhere in a text, in any case."""

    pattern: str
    _compiled: Any = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Raises ``ValueError`` with what is expected."""
        if len(text) > MOST_CHARACTERS:
            raise ValueError(f"a regular expression of at most {MOST_CHARACTERS} characters")
        import regex  # only where there is one: a start would wait for it

        try:
            return cls(text, regex.compile(text, regex.IGNORECASE))
        except (regex.error, OverflowError, RecursionError) as error:
            raise ValueError(f"a regular expression of Python ({error})") from None

    def is_in(self, text: str, message_id: int, seconds: float = MOST_SECONDS) -> bool:
        """Whether it is found. Raises ``ExpressionTooSlow``."""
        try:
            # Concurrent: other threads, and so signals, go on meanwhile.
            found = self._compiled.search(text, timeout=seconds, concurrent=True)
        except TimeoutError:
            raise ExpressionTooSlow(self.pattern, message_id, seconds) from None
        return found is not None

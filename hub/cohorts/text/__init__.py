"""Definitions as text, in the language that people read: `did "Purchase" at least 3 times in last 180 days`.

What a definition can say, a text can say, and the other way round: `text_of(definition_of_text(text))` is the text in
its one form, and `definition_of_text(text_of(definition))` is the definition.
"""

from hub.cohorts.text.printing import text_of
from hub.cohorts.text.reading import LONGEST, definition_of_text

__all__ = ["LONGEST", "definition_of_text", "text_of"]

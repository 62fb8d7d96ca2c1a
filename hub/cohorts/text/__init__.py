"""Definitions as text, in the language that people read: `did "Purchase" at least 3 times in last 180 days`.

What a definition can say, a text can say, and the other way round: `printing.text_of(reading.definition_of_text(text))`
is the text in its one form, and `reading.definition_of_text(printing.text_of(definition))` is the definition.
"""

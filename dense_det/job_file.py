"""The YAML file of a longer job, such as a data distillation or a zoo: keys that are checked, words, and {cache}."""

import dataclasses
import re

from dense_det.data.cache import cache_folder
from dense_det.suggest import unknown

_PLAIN = {str: "text", bool: "true or false"}
_PREPARES = re.compile(r"(datasets|tools)/prepare_\w+\.py")


def checked(tree, kind, place: str, words=()) -> dict:
    """`tree`, if its keys are fields of the dataclass `kind`; strings with {cache} put in, and `words` as tuples.

    Args:
        place: what stands before a key in messages: "data." or "".

    Raises:
        TypeError: no mapping, or words, text, true or false that are none.
        ValueError: a key that does not exist; the nearest ones are suggested.
        KeyError: one that is missing.
    """
    if not isinstance(tree, dict):
        raise TypeError(f"{place or 'the file'}: expected KEY: VALUE lines, got {tree!r}")
    names = [f.name for f in dataclasses.fields(kind)]
    for key in tree:
        if key not in names:
            raise ValueError(unknown("key", f"{place}{key}", [f"{place}{name}" for name in names]))
    for f in dataclasses.fields(kind):
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and f.name not in tree:
            raise KeyError(f"{place}{f.name}")
    for f in dataclasses.fields(kind):
        if f.type in _PLAIN and f.name in tree and f.name not in words and not isinstance(tree[f.name], f.type):
            raise TypeError(f"{place}{f.name}: expected {_PLAIN[f.type]}, got {tree[f.name]!r}")
    return {key: _split(value, f"{place}{key}") if key in words else _filled(value) for key, value in tree.items()}


def preparation(line) -> tuple[str, ...]:
    """The words of a tool of this repository that fetches or makes data; ValueError or TypeError for anything else."""
    words = _split(line, "prepare")
    if not words or not _PREPARES.fullmatch(words[0]):
        raise ValueError(f"prepare runs datasets/prepare_*.py and tools/prepare_*.py of this repository, got {line!r}")
    return words


def portable_words(words) -> str:
    """Words as a line that holds on another machine: with {cache} where they name this one's cache folder."""
    return " ".join(words).replace(str(cache_folder()), "{cache}")


def _split(value, place: str) -> tuple[str, ...]:
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or any(isinstance(word, dict) for word in words):
        raise TypeError(f"{place}: expected words, as a list or as one string with blanks, got {value!r}")
    return tuple(_filled(str(word)) for word in words)


def _filled(value):
    return value.replace("{cache}", str(cache_folder())) if isinstance(value, str) else value

"""Patterns such as `scans/**/*.png`: what they name, each once, and what is to be left out of it."""

import functools
import glob
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase

NOT_FOLLOWED = "a link to a folder, which is not followed: name the folder itself"
_ANY = "**"  # folders, any number of them


def is_within(path: str, folders: tuple[str, ...]) -> bool:
    """Whether `path`, absolute, or a folder above it is one of `folders`, by name or by where links lead."""
    if not folders:
        return False
    parent, name = os.path.split(path)
    places = f"{path}/", f"{os.path.join(_real(parent), name)}/"
    return any(place.startswith(prefix) for place in places for prefix in _prefixes(folders))


def outside(path: str, folders: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `folders` that `path` does not lie in: what is named in a folder is wanted."""
    return tuple(folder for folder in folders if not is_within(path, (folder,)))


@functools.lru_cache(256)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


@functools.lru_cache(16)
def _prefixes(folders: tuple[str, ...]) -> tuple[str, ...]:
    spellings = {spelling(folder) for folder in folders for spelling in (os.path.abspath, os.path.realpath)}
    return tuple(f"{folder.rstrip('/')}/" for folder in sorted(spellings))


def unread(error: OSError) -> str:
    return f"a folder that cannot be read: {type(error).__name__}: {error.strerror}"


class FolderSearch:
    """The files and folders that a pattern of glob names, as one walk: `**` stands for any number of folders.

    glob itself gives a folder and then all that is in it, follows links round in circles, and looks into what is to
    be skipped. Here a folder is entered once for each place in the pattern, and not at all where the pattern's end
    has named a folder above it.

    Args:
        skip: absolute paths that are left out, with what is in them; not those that the pattern itself leads into.

    Raises:
        ValueError: `..` behind a wildcard: the walk goes down alone.
    """

    def __init__(self, pattern: str, skip: tuple[str, ...] = ()):
        parts = pattern.split("/")
        first = next(k for k, part in enumerate(parts) if glob.has_magic(part))
        self._top = os.path.abspath("/".join([*parts[:first], ""]) or ".")
        self._parts = [part for part in parts[first:] if part not in ("", ".")]
        if ".." in self._parts:
            raise ValueError(f"{pattern}: .. behind a wildcard leads up again: write the pattern without it")
        self._only_folders = pattern.endswith(("/", "/."))
        self.skip = outside(self._top, skip)
        self._entered = set()  # (real folder, places in the pattern)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """(absolute path, reason why it cannot be looked at or ""), in alphabetical order."""
        if os.path.isdir(self._top):
            yield from self._folder(self._top, self._reached(0))

    def _folder(self, path: str, places: frozenset[int]) -> Iterator[tuple[str, str]]:
        is_named = len(self._parts) in places
        key = os.path.realpath(path), places if not is_named else None
        if key in self._entered or is_within(path, self.skip):
            return
        self._entered.add(key)
        if is_named:
            yield path, ""
            return
        try:
            with os.scandir(path) as entries:
                folder_of = {entry.name: os.path.isdir(entry.path) for entry in entries}
        except OSError as error:
            yield path, unread(error)
            return
        after = {name: self._after(places, name) for name, is_folder in folder_of.items() if is_folder}

        def as_written(name: str) -> str:  # in the order of whole paths: that of a folder's contents begins with name/
            return f"{name}/" if after.get(name) and len(self._parts) not in after[name] else name

        for name in sorted(folder_of, key=as_written):
            inner = os.path.join(path, name)
            if not folder_of[name]:
                if self._names_file(places, name) and not is_within(inner, self.skip):
                    yield inner, ""
            elif after[name] and os.path.islink(inner) and is_within(path, (os.path.realpath(inner),)):
                yield inner, NOT_FOLLOWED
            elif after[name]:
                yield from self._folder(inner, after[name])

    def _names_file(self, places: frozenset[int], name: str) -> bool:
        last = len(self._parts) - 1
        return last in places and not self._only_folders and _matches(name, self._parts[last])

    def _after(self, places: frozenset[int], name: str) -> frozenset[int]:
        """The places in the pattern that one is at in folder `name`."""
        reached = set()
        for place in places:
            if self._parts[place] != _ANY:
                reached |= self._reached(place + 1) if _matches(name, self._parts[place]) else set()
            elif not name.startswith("."):
                reached |= self._reached(place)
        return frozenset(reached)

    def _reached(self, place: int) -> frozenset[int]:
        """`place`, and those behind it where `**` stands for no folder at all."""
        end = place
        while end < len(self._parts) and self._parts[end] == _ANY:
            end += 1
        return frozenset(range(place, end + 1))


def _matches(name: str, part: str) -> bool:
    return fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))

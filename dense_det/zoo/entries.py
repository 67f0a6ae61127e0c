"""The zoo as one YAML file: which detectors, on which data."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from dense_det.job_file import checked, preparation
from dense_det.suggest import unknown


@dataclass(frozen=True)
class DataSet:
    """Attributes:
    prepare: the tool that makes it, with its words.
    train, validation: COCO files; their images lie in images/ beside them.
    licence: what a card says of it.
    """

    prepare: tuple[str, ...]
    train: str
    validation: str
    licence: str

    @property
    def splits(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """(COCO file, folder of its images) for training and for validation."""
        return tuple((file, str(Path(file).parent / "images")) for file in (self.train, self.validation))


@dataclass(frozen=True)
class Entry:
    """Attributes:
    config: of tools/train_net.py.
    data: what it is trained and judged on.
    opts: KEY VALUE KEY VALUE ...
    prepare: a tool that brings weights to begin from, with its words; () where `opts` name a file that is there, or
        none, which begins from random ones.
    licence: of those weights.
    ship: small enough to be given away as a folder.
    """

    config: str
    data: DataSet
    opts: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    licence: str = ""
    ship: bool = False

    @property
    def initial_weights(self) -> str:
        """The file that its training begins from; "" begins from random ones."""
        return dict(zip(self.opts[::2], self.opts[1::2], strict=True)).get("MODEL.WEIGHTS", "")

    def sha256(self) -> str:
        """Changes when the entry or its data do; of configs the name counts, not the text."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()


def parse_zoo(tree: dict, path) -> dict[str, Entry]:
    """The entries by name, in the order of the file.

    "{cache}" stands for the cache folder; configs are relative to the file, all else to the working directory.

    Args:
        tree: of the YAML file: data, by name, and models, by name.
        path: of the file.

    Raises:
        ValueError: a key that does not exist (the nearest ones are suggested), or one that is missing.
    """
    try:
        data = {name: _data_set(rows, f"data.{name}.") for name, rows in tree["data"].items()}
        return {str(name): _entry(rows, f"models.{name}.", data, path) for name, rows in tree["models"].items()}
    except KeyError as error:
        raise ValueError(f"{path}: the key {error.args[0]} is missing") from error
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def chosen(entries: dict[str, Entry], names) -> dict[str, Entry]:
    """Those of `names`, in the order of the list; all of them without names. ValueError: a name that is not there."""
    for name in names:
        if name not in entries:
            raise ValueError(unknown("model in the zoo", name, entries))
    return {name: entry for name, entry in entries.items() if not names or name in names}


def with_one_config(entries: dict[str, Entry], names) -> dict[str, Entry]:
    """Those of `names`; without names, all that share the first one's config. ValueError: names of several configs."""
    some = chosen(entries, names)
    config = next(iter(some.values())).config
    others = [name for name, entry in some.items() if entry.config != config]
    if names and others:
        raise ValueError(f"{others[0]} is not made with {config}: give names of one config, whose inputs are the same")
    return {name: entry for name, entry in some.items() if name not in others}


def _data_set(rows, place: str) -> DataSet:
    known = checked(rows, DataSet, place)
    return DataSet(**known | {"prepare": preparation(known["prepare"])})


def _entry(rows, place: str, data: dict[str, DataSet], path) -> Entry:
    known = checked(rows, Entry, place, words=("opts",))
    if known["data"] not in data:
        raise ValueError(unknown(f"data set ({place}data)", known["data"], data))
    if len(known.get("opts", ())) % 2:
        raise ValueError(f"{place}opts: expected KEY VALUE KEY VALUE ..., got {' '.join(known['opts'])}")
    prepare = preparation(known["prepare"]) if "prepare" in known else ()
    config = str(Path(path).parent / known["config"])
    return Entry(**known | {"config": config, "data": data[known["data"]], "prepare": prepare})

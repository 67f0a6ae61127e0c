"""What became of each tensor of a file, and of each tensor of the network."""

from dataclasses import dataclass, field

from dense_det.weights.source import Pixels

NAMES_SHOWN = 3
CLASSIFIER_UNUSED = "a classifier of whole images"


@dataclass
class Report:
    """The outcome of fitting a file's tensors into a network.

    Attributes:
        source: what the file was taken for.
        pixels: the input that the file's network expects; None if nothing is known.
        part: the prefix of the part of the network that the file is for: "" is all of it.
        loaded: tensors of the network that were found, by their names there.
        opened: eSE gates that the file's network does not have: set such that they let everything pass.
        can_close: those gates have a gradient.
        missing: tensors of `part` that the file does not have.
        absent: tensors outside of `part`, which the file says nothing of.
        reshaped: tensors that fit by name only -> their name and shape in the file, and their shape here.
        unused: reason -> names in the file.
    """

    source: str
    pixels: Pixels | None
    part: str = ""
    loaded: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    can_close: bool = False
    missing: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    reshaped: dict[str, str] = field(default_factory=dict)
    unused: dict[str, list[str]] = field(default_factory=dict)

    @property
    def wanted(self) -> int:
        """Tensors of `part` that only the file can give."""
        return len(self.loaded) + len(self.missing) + len(self.reshaped)

    @property
    def share(self) -> float:
        return len(self.loaded) / max(self.wanted, 1)

    @property
    def lacking(self) -> list[str]:
        """Tensors of the network that were not filled."""
        return [*self.reshaped, *self.missing, *self.absent]

    @property
    def is_clean(self) -> bool:
        """Everything of `part` was found, and nothing was left over but a classifier."""
        return not self.missing and not self.reshaped and set(self.unused) <= {CLASSIFIER_UNUSED}

    @property
    def owner(self) -> str:
        """Whose tensors the file is for, as a genitive."""
        return f"{self.part.rstrip('.')}'s" if self.part else "the model's"

    def to_text(self) -> str:
        """Several lines, the first of which says how many tensors were loaded from what, and where to."""
        lines = [f"{len(self.loaded)} of {self.owner} {self.wanted} tensors loaded; source: {self.source}"]
        if self.opened:
            count = len(self.opened) // 2
            how = "0.2 % below 1, to be trained" if self.can_close else "exactly 1, where their gradient is 0"
            lines.append(f"  {count} eSE gates opened that the file's network does not have: {how}")
        lines += [f"  of another shape: {target}: {text}" for target, text in self.reshaped.items()]
        if self.missing:
            lines.append(f"  not in the file, so left as they were: {_some(self.missing)}")
        if self.absent:
            lines.append(f"  outside of {self.part.rstrip('.')}, so left as they were: {_some(self.absent)}")
        lines += [f"  not used, {reason}: {_some(names)}" for reason, names in self.unused.items()]
        return "\n".join(lines)


def _some(names: list[str]) -> str:
    """ "3 (a, b, c)", or "7 (a, b, c, ...)"."""
    return f"{len(names)} ({', '.join(names[:NAMES_SHOWN])}{', ...' if len(names) > NAMES_SHOWN else ''})"

"""Where weights come from: how their tensors are called, and what pixels they expect."""

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Pixels:
    """What a network's input was in its training: channel order, and the mean and std taken of values 0 to 255.

    Attributes:
        mean, std: in the order of `format`.
    """

    format: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def as_yaml(self) -> str:
        return (
            f"INPUT:\n  FORMAT: {self.format}\nMODEL:\n  PIXEL_MEAN: {list(self.mean)}\n  PIXEL_STD: {list(self.std)}\n"
        )


IMAGENET_RGB = Pixels("RGB", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
# Detectron2's default, of networks that were converted from Caffe
CAFFE_BGR = Pixels("BGR", (103.53, 116.28, 123.675), (1.0, 1.0, 1.0))
HALF_RGB = Pixels("RGB", (127.5, 127.5, 127.5), (127.5, 127.5, 127.5))

# names of an ImageNet classifier's last layers
CLASSIFIER = r"(head\.fc|head|fc|classifier(\.\d+)?)\.(weight|bias)"


@dataclass(frozen=True)
class Source:
    """One family of files.

    Attributes:
        name: for the report.
        rename: the name of a tensor there, without prefix -> its name in our bottom-up, or None if it is not of it.
        pixels: what the networks expect; None if nothing is known.
        mark: is it this source? Asked, with all names, where sources share names and differ in the rest.
        lacks_gates: eSE gates that the file does not have are to be opened wide: the network had none there.
        classifier: pattern of the names, without prefix, that a bottom-up has no use for.
    """

    name: str
    rename: Callable[[str], str | None]
    pixels: Pixels | None
    mark: Callable[[Collection[str]], bool] = lambda names: True
    lacks_gates: bool = False
    classifier: str = CLASSIFIER

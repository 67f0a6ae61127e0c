"""What Detectron2's Conv2d has beside a convolution, for classes that convolve in another way."""

from detectron2.layers import Conv2d
from torch import Tensor, nn

PLAIN_CLASSES = (nn.Conv2d, Conv2d)  # which such a class may take over, layer by layer: no subclass of theirs


class NormedConv2d(nn.Conv2d):
    """A convolution with the `norm` and `activation` that Detectron2's Conv2d has, and its parameters' names."""

    def forward(self, x: Tensor) -> Tensor:
        x = self._convolve(x)
        for name in ("norm", "activation"):
            if (layer := getattr(self, name, None)) is not None:
                x = layer(x)
        return x

    def _convolve(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, H', W'), before norm and activation."""
        raise NotImplementedError

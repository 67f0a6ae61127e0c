"""A list of images, written shard after shard."""

import hashlib

from dense_det.atomic_file import atomic_file
from dense_det.distillation.work_folder import InputImage, Shards, to_line


class InputWriter:
    """Writes shard after shard of a list of images, one shard in memory, and a running hash over all lines."""

    def __init__(self, shards: Shards, shard_size: int):
        if shard_size < 1:
            raise ValueError(f"a shard holds at least one image, got a shard size of {shard_size}")
        self.shards, self.shard_size = shards, shard_size
        self.num_images = self.num_shards = 0
        self._lines: list[str] = []
        self._hash = hashlib.sha256()

    def add(self, image: InputImage) -> None:
        self._lines.append(to_line(image))
        self.num_images += 1
        if len(self._lines) == self.shard_size:
            self._flush()

    def close(self) -> str:
        """Write the last, shorter shard; returns the SHA-256 of all lines, as hexadecimal digits."""
        if self._lines:
            self._flush()
        return self._hash.hexdigest()

    def _flush(self) -> None:
        text = "".join(self._lines)
        self._hash.update(text.encode())
        with atomic_file(self.shards.inputs(self.num_shards)) as file:
            file.write(text)
        self.num_shards += 1
        self._lines = []

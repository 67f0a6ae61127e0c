"""A labelled set as a user names it."""

import json
import os
from collections import Counter
from dataclasses import dataclass

from dense_det.evaluation.ground_truth import GroundTruth, load_ground_truth

NO_JSON = json.JSONDecodeError, UnicodeDecodeError  # what else is a ValueError names the file


@dataclass(frozen=True)
class CocoFiles:
    """A COCO file and the folder that its file names are relative to."""

    json_file: str
    image_root: str

    def load(self) -> GroundTruth:
        """Raises ValueError when it is no COCO file, or one whose images name no files."""
        try:
            truth = load_ground_truth(self.json_file)
        except (OSError, KeyError, TypeError, AttributeError, RecursionError, *NO_JSON) as error:
            raise ValueError(f"{self.json_file}: no COCO file ({type(error).__name__}: {error})") from error
        if twice := [name for name, count in Counter(truth.class_names).items() if count > 1]:
            raise ValueError(f"{self.json_file}: two categories are named {twice[0]!r}: make them one")
        for image in truth.images:
            if not isinstance(name := image.get("file_name"), str):
                raise ValueError(f"{self.json_file}: image {image['id']!r} has file_name {name!r}, expected a text")
        return truth

    def path(self, image: dict) -> str:
        return os.path.join(os.path.abspath(self.image_root), image["file_name"])

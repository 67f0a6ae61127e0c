"""What all predictions of a work folder have in common: the teachers, and how their views become one."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

MANIFEST_VERSION = 2


@dataclass(frozen=True)
class Manifest:
    """manifest.json: what makes predictions comparable. `teachers`: [{"kind", "config_sha256", "weights_sha256",
    "name"}], `views`: [{"short_edge", "flip"}], `fusion`: {"kind", "iou"}, or of one view {"kind": "none"},
    `class_tables`: of each teacher the names of its classes, in order, and what each is among `classes`: [[name, name
    or None]], `least_edge`: see ImageReader."""

    classes: list[str]
    teachers: list[dict]
    views: list[dict]
    fusion: dict
    floor: float
    detections_per_image: int
    class_tables: list[list] = field(default_factory=list)
    least_edge: int = 0
    version: int = MANIFEST_VERSION

    @property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def differences(self, other: "Manifest") -> list[str]:
        """The fields that are not the same, as "field: this -> other"."""
        mine, theirs = json.loads(json.dumps(asdict(self))), json.loads(json.dumps(asdict(other)))
        return [f"{key}: {mine[key]} -> {theirs[key]}" for key in mine if mine[key] != theirs[key]]

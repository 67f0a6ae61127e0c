"""What makes predictions comparable: its digest, and the fields in which two differ."""

import hashlib
import json
from dataclasses import replace

from dense_det.distillation.manifest import Manifest

MANIFEST = Manifest(["Table"], [{"kind": "onnx"}], [{"short_edge": 400, "flip": False}], {"kind": "none"}, 0.05, 100)


def test_the_digest_is_of_all_fields_in_alphabetical_order():
    text = json.dumps(
        {
            "class_tables": [],
            "classes": ["Table"],
            "detections_per_image": 100,
            "floor": 0.05,
            "fusion": {"kind": "none"},
            "least_edge": 0,
            "teachers": [{"kind": "onnx"}],
            "version": 2,
            "views": [{"flip": False, "short_edge": 400}],
        }
    )
    assert MANIFEST.sha256 == hashlib.sha256(text.encode()).hexdigest() != replace(MANIFEST, floor=0.1).sha256


def test_differences_by_name():
    other = replace(MANIFEST, floor=0.1, classes=["Table", "Text"])
    assert MANIFEST.differences(other) == ["classes: ['Table'] -> ['Table', 'Text']", "floor: 0.05 -> 0.1"]
    as_read = replace(MANIFEST, fusion=dict(MANIFEST.fusion), classes=("Table",))
    assert MANIFEST.differences(as_read) == [], "a tuple is a list in JSON"

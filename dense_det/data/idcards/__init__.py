"""Scenes of ID documents in photographs: drawn documents on real backgrounds, with exact boxes, masks and corners."""

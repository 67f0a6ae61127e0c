import pytest

from dense_det.data.idcards.fonts import find_families
from dense_det.data.idcards.photos import find_photos
from dense_det.data.idcards.scene import Materials
from dense_det.data.idcards.template import make_templates

pytest.importorskip("skimage")
pytest.importorskip("faker")


@pytest.fixture(scope="session")
def materials():
    """{"train", "val"} of what is there without any download."""
    photos, _ = find_photos()
    families = find_families()
    return {split: Materials(photos[split], make_templates(split, families[split]), []) for split in ("train", "val")}

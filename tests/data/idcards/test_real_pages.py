"""Which real pages get into the scenes: those of a folder that was named."""

import json

from dense_det.data.idcards.real_pages import find_pages


def test_pages_in_the_cache_are_not_taken_unasked(tmp_path, monkeypatch):
    monkeypatch.setenv("DENSE_DET_CACHE", str(tmp_path))
    folder = tmp_path / "docpages"
    folder.mkdir()
    for split in ("train", "val"):
        (folder / f"{split}.json").write_text(json.dumps({"images": [{"file_name": f"{split}.png"}]}))
    assert find_pages() == {"train": [], "val": []}
    assert find_pages(folder)["val"] == [("docpages/val.png", str(folder / "images" / "val.png"))]

import json
import uuid

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from dense_det.data import catalog
from dense_det.data.catalog import class_names, register_builtin, register_coco


@pytest.fixture
def coco(tmp_path):
    """(json file, image folder) of one image with one box; the category ids have a gap and are not in order."""
    (tmp_path / "images").mkdir()
    tree = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 10}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}],
        "categories": [{"id": 7, "name": "Table"}, {"id": 2, "name": "Picture"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(tree))
    return tmp_path / "a.json", tmp_path / "images"


@pytest.fixture
def name():
    name = f"test_{uuid.uuid4().hex}"
    yield name
    if name in DatasetCatalog.list():
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def test_register_twice_is_fine_and_the_data_arrives(name, coco):
    register_coco(name, *coco)
    register_coco(name, str(coco[0]), str(coco[1]))
    (record,) = DatasetCatalog.get(name)
    assert record["annotations"][0]["bbox"] == [1, 2, 3, 4]
    # Detectron2 makes ids contiguous by rising category id: the order class_names tells
    assert record["annotations"][0]["category_id"] == 1 == class_names(coco[0]).index("Table")
    assert MetadataCatalog.get(name).thing_classes == class_names(coco[0]) == ["Picture", "Table"]


def test_other_paths_are_refused(name, coco, tmp_path):
    register_coco(name, *coco)
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="registered already"):
        register_coco(name, coco[0], tmp_path / "other")


def test_missing_files_are_named(name, coco, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.json"):
        register_coco(name, tmp_path / "nowhere.json", coco[1])
    with pytest.raises(FileNotFoundError, match="no folder"):
        register_coco(name, coco[0], tmp_path / "nowhere")
    assert name not in DatasetCatalog.list()


def test_builtin_names_need_no_files_and_leave_detectron2s_alone(tmp_path, monkeypatch):
    """Detectron2's catalog is one for the process: what the test adds is removed."""
    before = set(DatasetCatalog.list())
    ours = {*catalog.BUILTIN, *(f"{name}_{split}" for name in catalog.PREPARED for split in ("train", "val"))}
    for known in ours & before:
        DatasetCatalog.remove(known)
        MetadataCatalog.remove(known)
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    monkeypatch.setenv("DENSE_DET_CACHE", str(tmp_path / "cache"))
    coco_2017 = MetadataCatalog.get("coco_2017_val").json_file
    try:
        register_builtin()
        register_builtin()
        assert MetadataCatalog.get("coco_2017_val").json_file == coco_2017
        paths = {n: (MetadataCatalog.get(n).json_file, MetadataCatalog.get(n).image_root) for n in ours}
        assert paths["publaynet_val"] == (f"{tmp_path}/publaynet/val.json", f"{tmp_path}/publaynet/val")
        core = f"{tmp_path}/DocLayNet_core"
        assert paths["doclaynet_test"] == (f"{core}/COCO/test.json", f"{core}/PNG")
        assert paths["docpages_train"] == (f"{tmp_path}/cache/docpages/train.json", f"{tmp_path}/cache/docpages/images")
    finally:
        for known in ours & set(DatasetCatalog.list()):
            DatasetCatalog.remove(known)
            MetadataCatalog.remove(known)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"categories": []}', '{"categories": [{"id": "1", "name": "a"}]}', '{"categories": [{"id": 1}]}',
     '{"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}'],
)  # fmt: skip
def test_bad_category_lists_are_refused(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="bad.json"):
        class_names(path)

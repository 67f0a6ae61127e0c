import pytest

from dense_det.distillation.recipe import Labels, parse_recipe, slug, words_name


def tree(**more):
    data = {
        "labelled": "{cache}/few.json",
        "validation": "val.json",
        "validation_images": "pages",
        "unlabelled": "scans/ more/*.tar",
    }
    return {
        "data": data,
        "teacher": {"config": "teacher.yaml", "opts": "MODEL.WEIGHTS {cache}/w.pth"},
        "student": {"config": "student.yaml"},
        "labels": {"fused": {"run": "--views 64,80"}, "plain": None},
        **more,
    }


def test_words_paths_and_the_cache(monkeypatch):
    monkeypatch.setenv("DENSE_DET_CACHE", "/c")
    recipe = parse_recipe(tree(seeds=[5]), "configs/distill/cards.yaml")
    assert recipe.data.labelled == "/c/few.json" and recipe.data.unlabelled == ("scans/", "more/*.tar")
    assert (recipe.data.labelled_images, recipe.data.validation_images) == ("/c/images", "pages")
    assert recipe.teacher.config == "configs/distill/teacher.yaml"
    assert recipe.teacher.opts == ("MODEL.WEIGHTS", "/c/w.pth")
    assert recipe.labels["fused"].run == ("--views", "64,80") and recipe.labels["plain"].run == ()
    assert (recipe.first, recipe.seeds, recipe.title) == ("fused", (5,), "cards")


def test_the_digest_changes_with_results_and_not_with_words():
    first = parse_recipe(tree(), "a.yaml").sha256()
    assert parse_recipe(tree(title="other words"), "a.yaml").sha256() == first
    assert parse_recipe(tree(seeds=[0, 1]), "a.yaml").sha256() != first
    data = tree()["data"]
    assert parse_recipe(tree(data=data | {"truth": ""}), "a.yaml").sha256() == first
    assert parse_recipe(tree(data=data | {"truth": "t.json"}), "a.yaml").sha256() != first
    for deployed in (False, True):
        other = parse_recipe(tree(teacher=tree()["teacher"] | {"deployed": deployed}), "a.yaml")
        assert (other.sha256() == first) == (not deployed)
    # each way of labelling is compared by itself, so that others may follow
    assert parse_recipe(tree(labels={"plain": {}}), "a.yaml").sha256() == first


def test_some_ways_of_labelling():
    labels = {name: {"run": f"--views {number}"} for number, name in enumerate("abc", 64)}
    recipe = parse_recipe(tree(labels=labels), "a.yaml")
    assert list(recipe.only(["c", "a"]).labels) == ["a", "c"]
    with pytest.raises(ValueError, match="no labels of the recipe named 'd'. Known: a, b, c"):
        recipe.only(["d"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"techer": {}}, "no key named 'techer'; did you mean 'teacher'"),
        ({"student": {"confg": "a.yaml"}}, "student.confg.*did you mean 'student.config'"),
        ({"data": {"labelled": "a.json"}}, "a.yaml: the key data.validation is missing"),
        ({"data": ["a.json"]}, "data.: expected KEY: VALUE lines"),
        ({"teacher": {}}, "either a config .* or an onnx"),
        ({"teacher": {"config": "a.yaml", "onnx": "b.onnx"}}, "either a config .* or an onnx"),
        ({"student": {"onnx": "b.onnx"}}, "the student needs a config"),
        ({"student": {"config": "a.yaml", "weights": "b.pth"}}, "MODEL.WEIGHTS in its opts is what it begins from"),
        ({"teacher": {"config": "a.yaml", "weights": "b.pth", "opts": "A 1"}}, "teacher.opts are for its training"),
        ({"teacher": {"onnx": "b.onnx", "opts": "A 1"}}, "teacher.opts are for its training"),
        ({"teacher": {"onnx": "b.onnx", "deployed": True}}, "deployed is for a teacher with a config"),
        ({"student": {"config": "a.yaml", "deployed": True}}, "deployed is for a teacher with a config"),
        (
            {"teacher": {"config": "a.yaml", "deployed": True}, "labels": {"a": {"run": "--opts A 1"}}},
            "labels.a: a deployed teacher takes no --opts",
        ),
        ({"labels": {}}, "labels need one entry"),
        (
            {"labels": {"a": {"run": "--veiws 64"}}},
            "a.yaml: labels.a: run: unrecognized arguments: --veiws 64; tools/pseudo_label.py run --help has all",
        ),
        ({"labels": {"a": {"run": "--views"}}}, "labels.a: run: argument --views: expected one argument"),
        ({"labels": {"a": {"run": "--views 64,x"}}}, "labels.a: .*'x'"),
        ({"labels": {"a": {"run": "--floor 5"}}}, "labels.a: --floor must lie between 0 and 1, got 5"),
        ({"labels": {"a": {"run": "--fusion-iou 0"}}}, "labels.a: --fusion-iou must lie between 0 and 1, got 0"),
        ({"labels": {"a": {"run": "--max-failure-rate 2"}}}, "labels.a: --max-failure-rate must lie between 0 and 1"),
        ({"labels": {"a": {"run": "--num-workers 2"}}}, "labels.a: run: all shards .* leave out --worker and --num"),
        ({"labels": {"a": {"run": "--worker 0/2"}}}, "labels.a: run: all shards .* leave out --worker and --num"),
        ({"labels": {"a": {"select": "--ignore-share 2"}}}, "labels.a: --ignore-share is a share from 0 to 1, got 2"),
        ({"labels": {"a": {"select": "--min-votes -1"}}}, "labels.a: --min-votes is a share from 0 to 1, got -1"),
        ({"labels": {"a": {"select": "--rule fixd"}}}, "labels.a: select: argument --rule: invalid choice: 'fixd'"),
        ({"labels": {"a": {"select": "--rule fixed"}}}, "labels.a: --rule fixed needs --value"),
        ({"labels": {"a": {"select": "--out b.json"}}}, "labels.a: select: the recipe's folder has its own place"),
        ({"labels": {"a": {"run": "--onnx b.onnx"}}}, "labels.a: run: the recipe's teacher labels"),
        ({"labels": {"a": {"truth": "all"}}}, "labels.a.truth needs data.truth, a COCO file"),
        ({"labels": {"a": {"truth": "rihgt"}}}, "no labels.a.truth named 'rihgt'; did you mean 'right'"),
        ({"labels": {"labels alone": {}}}, "none called 'labels alone'"),
        ({"labels": {"one view": {}, "One-View": {}}}, "differ in letters and digits"),
        ({"labels": {"a" * 61: {}}}, "at most 60 letters, got aaa"),
        ({"data": {"labelled": None, "validation": "b", "unlabelled": "c"}}, "data.labelled: expected text, got None"),
        ({"data": {"labelled": "a", "validation": "b", "unlabelled": []}}, "unlabelled name at least one file each"),
        ({"teacher": {"config": 5}}, "teacher.config: expected text, got 5"),
        ({"teacher": {"config": "a.yaml", "deployed": "no"}}, "teacher.deployed: expected true or false, got 'no'"),
        ({"teacher": {"onnx": "b.onnx", "class_map": [1]}}, "teacher.class_map: expected {teacher's class: ours, or"),
        ({"teacher": {"onnx": "b.onnx", "class_map": {1: "a"}}}, "teacher.class_map: expected .* got {1: 'a'}"),
        (
            {"teacher": {"onnx": "b.onnx", "class_map": {"a": None}}, "labels": {"a": {"run": "--class-map b.json"}}},
            "labels.a: --class-map, and teacher.class_map, too",
        ),
        ({"labels": ["fused"]}, "a.yaml: labels: expected NAME: HOW lines, got .'fused'."),
        ({"seeds": [1, 1]}, "seeds are different numbers"),
        ({"prepare": ["/bin/rm -rf {cache}"]}, "a.yaml: prepare runs datasets/prepare_"),
        ({"prepare": ["tools/../evil/prepare_x.py"]}, "prepare runs"),
        ({"seeds": ["x"]}, "a.yaml: seeds: expected a list of whole numbers such as .*, got .'x'."),
        ({"seeds": [0.5]}, "seeds: expected a list of whole numbers .*, got .0.5."),
        ({"seeds": [True]}, "seeds: expected a list of whole numbers"),
        ({"seeds": [-1]}, "seeds: expected a list of whole numbers such as .*, none below 0"),
        ({"seeds": 3}, "seeds: expected a list of whole numbers .*, got 3"),
        ({"seeds": "012"}, "seeds: expected a list of whole numbers .*, got '012'"),
        ({"prepare": "datasets/prepare_cards.py"}, "prepare: expected a list of lines, got 'datasets"),
        ({"student": {"config": "a.yaml", "opts": {"SEED": 1}}}, "a.yaml: student.opts: expected words, .*'SEED': 1"),
        ({"student": {"config": "a.yaml", "opts": None}}, "student.opts: expected words, .* got None"),
        (
            {"labels": {"fused": {"run": [{"--views": 64}]}}},
            "labels.fused.run: expected words, .* got .{'--views': 64}",
        ),
    ],
)
def test_what_is_wrong_is_said(change, message):
    with pytest.raises(ValueError, match=message):
        parse_recipe(tree(**change), "a.yaml")


def test_names_in_any_script():
    labels = {"три вида": {"run": "--views 64,80"}, "один вид": {"run": "--views 64"}}
    assert [slug(name) for name in parse_recipe(tree(labels=labels), "a.yaml").labels] == ["три-вида", "один-вид"]


def test_names_of_words_are_as_different_as_the_words():
    maps = "--class-map maps/strict.json", "--class-map maps/Strict.json", "--class-map maps-strict.json"
    odd = *maps, "--classes 证件", "--classes 护照", "--opts" + 8 * " MODEL.RETINANET.TOPK_CANDIDATES_TEST 200"
    plain = "--views 192,240,300 --fusion nms", "--views 192", "--floor 0.05", ""
    names = [words_name(tuple(words.split())) for words in (*odd, *plain)]
    assert names[len(odd) :] == ["views-192-240-300-fusion-nms", "views-192", "floor-0-05", "labels"]
    assert len(set(names)) == len(names) and max(map(len, names)) < 60


def test_what_belongs_to_one_teacher_goes_with_it():
    words = "--views=64,80 --fusion nms --class-map map.json --opts INPUT.MIN_SIZE_TEST 800 --floor 0.1 --vi 64 -x"
    labels = Labels(run=tuple(words.split()), select=("--rule", "f1"), truth="right").of_another_teacher()
    assert labels == Labels(run=("--fusion", "nms", "--floor", "0.1"), select=("--rule", "f1"))
    assert Labels(run=("--view", "192", "--floor", "0.1", "--v=240")).of_another_teacher().run == ("--floor", "0.1")
    assert Labels(truth="all").of_another_teacher() == Labels()

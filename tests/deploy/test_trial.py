import torch

from dense_det.deploy.trial import CANDIDATES, scatter_scores


@torch.no_grad()
def test_so_many_candidates_pass(make_detector, noise):
    model, pixels = make_detector("retinanet"), noise(256, 256)
    scatter_scores(model, pixels)
    image = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
    features = model.backbone(model.preprocess_image([{"image": image}]).tensor)
    logits, _ = model.head([features[name] for name in model.head_in_features])
    passed = sum((level.sigmoid() > model.test_score_thresh).sum().item() for level in logits)
    assert abs(passed - CANDIDATES) <= 2

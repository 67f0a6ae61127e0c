"""A plan in words."""

from dense_det.distillation.progress import duration
from dense_det.distillation.work_folder import Plan


def in_words(counts: dict) -> str:
    """ "3 bad, 1 duplicate"."""
    return ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items() if count) or "no files"


def _left_out(plan: Plan) -> str:
    counts = {kind: count for kind, count in plan.counts.items() if kind != "other_files"}
    why = " (rejected.jsonl says why)" if any(counts.values()) else ""
    bad = "; failures.jsonl lists the bad ones, too" if plan.num_bad else ""
    others = plan.counts.get("other_files", 0)
    return f"left out: {in_words(counts)}{why}{bad}" + (f"; {others} not named like images" if others else "")


def as_text(plan: Plan, seconds_per_image: float | None = None) -> str:
    """What a person wants to know about a plan; `seconds_per_image` of one worker, None where nobody knows."""
    lines = [
        f"{plan.num_images} images in {plan.num_shards} shards of {plan.shard_size}",
        _left_out(plan),
    ]
    if plan.labelled:
        density = plan.labelled["instances"] / max(1, plan.labelled["images"])
        lines.append(f"labelled: {plan.labelled['images']} images, {density:.2f} objects an image")
    if plan.validation:
        lines.append(f"validation: {plan.validation['num_images']} images")
    if seconds_per_image:
        images = plan.num_images + (plan.validation or {"num_images": 0})["num_images"]
        pace = f"at {seconds_per_image:.3f} s an image"
        lines.append(f"expected: {duration(images * seconds_per_image)} of one worker in all, {pace}")
    else:
        lines.append("expected time: give --teacher or --onnx, which are tried; run tells it after its first shard")
    return "\n".join(lines)

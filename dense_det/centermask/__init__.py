"""CenterMask (arXiv 1911.06667): FCOS boxes, masks with spatial attention, and a score for each mask."""

from dense_det.centermask import detector, fcos, mask_head, roi_heads  # noqa: F401  they register

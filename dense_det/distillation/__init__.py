"""Data distillation: a teacher labels unlabelled images, in a work folder that can be stopped at any moment."""

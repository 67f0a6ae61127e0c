"""Other people's weights: names and conventions of theirs -> ours. Pure functions on names, shapes and tensors."""

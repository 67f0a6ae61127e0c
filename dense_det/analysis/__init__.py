"""What a model costs, and how a training went: parameters, multiply-adds, plots."""

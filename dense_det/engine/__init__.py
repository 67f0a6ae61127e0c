"""Starting a run: arguments, set-up, processes, the trainer and its hooks."""

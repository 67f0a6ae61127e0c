"""The verbs of tools/pseudo_label.py, one a file: `add_arguments(parser)`, `main(args) -> lines to print`, EXAMPLE.

The first line of a file's docstring is the verb's help.
"""

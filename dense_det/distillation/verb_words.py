"""Words for tools/pseudo_label.py in a recipe, tried before hours of work go by until they are used."""

import argparse

from dense_det.distillation.commands import run, select
from dense_det.distillation.views import parse_views


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise ValueError(message)


def require_words(run_words: tuple[str, ...], select_words: tuple[str, ...]) -> None:
    """ValueError: which words `pseudo_label.py run` or `select` would refuse, and why."""
    args = _parsed("run", run, ("WORK", *run_words))
    if args.views:
        parse_views(args.views)
    select.require_value(_parsed("select", select, ("WORK", "--out", "JSON", *select_words)))


def _parsed(verb: str, command, words: tuple[str, ...]) -> argparse.Namespace:
    parser = _Parser(add_help=False)
    command.add_arguments(parser)
    try:
        return parser.parse_args(words)
    except ValueError as error:
        raise ValueError(f"{verb}: {error}; tools/pseudo_label.py {verb} --help has all") from error

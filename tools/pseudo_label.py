"""Let a teacher label unlabelled images for a student: plan, run, status, ...; each verb has its own --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import logging
import sys

from detectron2.utils.logger import setup_logger

from dense_det.config import load_cfg
from dense_det.distillation.commands import audit, export, import_review, plan, report, run, select, status
from dense_det.engine.model import load_model
from dense_det.terminal import tell

VERBS = {
    "plan": plan,
    "run": run,
    "status": status,
    "select": select,
    "audit": audit,
    "report": report,
    "export": export,
    "import-review": import_review,
}


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.set_defaults(load_cfg=load_cfg, load_model=load_model)  # rooms that the verbs may not import
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, command in VERBS.items():
        first, _, rest = command.__doc__.partition("\n")
        verb = verbs.add_parser(
            name,
            help=first,
            description=f"{first}\n{rest}",
            epilog=command.EXAMPLE,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(verb)
    return parser


def main(argv=None) -> int:
    args = build_parser().parse_args(argv)
    setup_logger(name="dense_det", abbrev_name="dense_det").setLevel(logging.INFO)
    return tell(VERBS[args.verb].main(args))


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # file names may hold what the terminal's encoding cannot
    sys.exit(main())

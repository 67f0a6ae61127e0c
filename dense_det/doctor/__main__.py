"""`python -m dense_det.doctor`: the table of checks."""

import argparse
import json
import os
import sys
from dataclasses import asdict

from dense_det.doctor.findings import CHECKS, FIRST_CODE, Finding, exit_code
from dense_det.doctor.probes import gather


def main() -> int:
    names = list(CHECKS)
    codes = ", ".join(f"{FIRST_CODE + i} {name}" for i, name in enumerate(names))
    parser = argparse.ArgumentParser(
        prog="python -m dense_det.doctor",
        description="Check what dense_det stands on; for what is wrong, print the command that mends it.",
        epilog=f"Exit code: 0 if all is well, else that of the first line to mend: {codes}.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    as_json = parser.parse_args().json
    facts = gather()
    findings = {name: check(facts) for name, check in CHECKS.items()}
    code = exit_code(findings)
    if as_json:
        checks = {name: {"ok": not found.mend, **asdict(found)} for name, found in findings.items()}
        print(json.dumps({"exit_code": code, "checks": checks}, indent=2))
    else:
        print(table(findings, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    return code


def table(findings: dict[str, Finding], colour: bool) -> str:
    """One line a check, and below a broken one its command; the last line sums up."""
    green, red, plain = ("\033[32m", "\033[1;31m", "\033[0m") if colour else ("", "", "")
    width = max(map(len, findings))
    lines = []
    for name, found in findings.items():
        mark = f"{red}MEND{plain}" if found.mend else f"{green}OK{plain}  "
        lines.append(f"{mark}  {name:<{width}}  {found.detail}")
        if found.mend:
            lines.append(f"{'':{width + 6}}  -> {found.mend}")
    broken = [name for name, found in findings.items() if found.mend]
    lines.append(f"to mend, in this order: {', '.join(broken)}" if broken else "all is well")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

"""Known vulnerabilities of the pinned versions, or why they could not be looked up.

``python -m model2_assets_tests.supply_chain.audit constraints.txt``, where pip-audit is
installed. Needs nothing else. Exits with 1 if a version is vulnerable and with 2 if
pip-audit itself failed; with 0 if none is, or if its database cannot be reached.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

UNREACHABLE = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "ServiceError", "ProxyError")
PATIENCE_S = 600.0


@dataclass(frozen=True)
class Verdict:
    """What an audit found.

    Attributes
    ----------
    text : str
        In words.
    status : int
        Exit status.
    """

    text: str
    status: int


def judge(output: str, errors: str) -> Verdict:
    """Judge what pip-audit printed.

    Parameters
    ----------
    output : str
        Its report in JSON; empty where it failed.
    errors : str
        Its messages.

    Returns
    -------
    Verdict
        pip-audit exits with 0 although it could not look up a single package; here that
        is no success, but skipped.
    """
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError):
        return _judge_failure(errors)
    skipped = [package for package in packages if "skip_reason" in package]
    if len(skipped) == len(packages):
        reason = skipped[0]["skip_reason"] if skipped else "there is no package"
        return Verdict(f"audit SKIPPED: none of {len(packages)} packages looked up: {reason}", 0)
    vulnerable = [_line(package) for package in packages if package.get("vulns")]
    looked_up = f"{len(packages) - len(skipped)} of {len(packages)} packages looked up"
    lines = [*vulnerable, f"audit: {looked_up}, {len(vulnerable)} vulnerable"]
    lines += [f"not looked up: {', '.join(p['name'] for p in skipped)}"] if skipped else []
    return Verdict("\n".join(lines), int(bool(vulnerable)))


def _judge_failure(errors: str) -> Verdict:
    last = errors.strip().splitlines()[-1] if errors.strip() else "no message"
    if any(name in errors for name in UNREACHABLE):
        return Verdict(f"audit SKIPPED: the database cannot be reached: {last}", 0)
    return Verdict(f"audit FAILED: {last}", 2)


def _line(package: dict[str, Any]) -> str:
    found = "; ".join(
        f"{vulnerability['id']}, fixed in {', '.join(vulnerability['fix_versions']) or 'none'}"
        for vulnerability in package["vulns"]
    )
    return f"VULNERABLE {package['name']} {package['version']}: {found}"


def main(requirements: str) -> int:
    """Audit a file of pinned requirements, print the verdict, and return its status."""
    pinned = ["--requirement", requirements, "--no-deps", "--disable-pip"]
    finished = subprocess.run(
        [sys.executable, "-m", "pip_audit", *pinned, "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    verdict = judge(finished.stdout, finished.stderr)
    print(verdict.text)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

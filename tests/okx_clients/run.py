#!/usr/bin/env python3
"""Runs the venue's own Python client (python-okx, unmodified) against the venue simulator.

It makes a virtual environment, installs the pinned requirements, starts the simulator and runs
`scenario.py` in that environment. Only the base URL and the certificate authority differ from a
run against the venue. The last line is `python_okx checks=N passed=N failed=N`; exit 0 if none failed.
"""

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SUMMARY = "python_okx checks={checks} passed={passed} failed={failed}"


def prepare_environment(folder: pathlib.Path) -> pathlib.Path:
    """Makes the virtual environment, or reuses one made from the same requirements."""
    requirements = HERE / "requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    mark = folder / "requirements.sha256"
    python = folder / "bin" / "python"
    if not (mark.exists() and mark.read_text() == wanted and python.exists()):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--requirement", str(requirements)], check=True)
        mark.write_text(wanted)
    return python


def start_simulator(command: list, folder: pathlib.Path):
    """Starts the simulator and waits for its ready line. Returns the process, address and CA path."""
    ca = folder / "ca.pem"
    process = subprocess.Popen(
        [
            *command,
            "--venue", "okx", "--listen", "127.0.0.1:0", "--seed", "7", "--accounts", "2",
            "--ca-out", str(ca), "--accounts-out", str(folder / "accounts.json"),
            "--ledger", str(folder / "ledger.jsonl"), "--print-ready", "--market-rate", "20",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    if not line.startswith("ready addr="):
        process.kill()
        raise SystemExit(f"the simulator did not get ready: {line!r}")
    fields = dict(part.split("=", 1) for part in line.split()[1:])
    return process, fields["addr"], ca


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulator-binary", required=True,
                        help="the simulator, or a binary that takes `simulate` as first argument")
    parser.add_argument("--subcommand", default=None,
                        help="first argument for the binary (`simulate` for millrun itself)")
    parser.add_argument("--environment", default=None,
                        help="folder of the virtual environment (default: target/okx_clients)")
    arguments = parser.parse_args()
    root = HERE.parent.parent
    environment = pathlib.Path(arguments.environment or root / "target" / "okx_clients")
    python = prepare_environment(environment.resolve())
    command = [arguments.simulator_binary]
    if arguments.subcommand:
        command.append(arguments.subcommand)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        process, address, ca = start_simulator(command, folder)
        try:
            result = subprocess.run(
                [str(python), str(HERE / "scenario.py"), address,
                 str(folder / "accounts.json")],
                env={**os.environ, "SSL_CERT_FILE": str(ca), "PYTHONPATH": ""},
                stdout=subprocess.PIPE,
                text=True,
                timeout=240,
            )
            output = result.stdout
        except subprocess.TimeoutExpired as expired:
            output = (expired.stdout or b"").decode() if expired.stdout else ""
        finally:
            process.terminate()
            process.wait(timeout=20)
        lines = output.splitlines()
        print("\n".join(lines[:-1]))
        counts = {"checks": 0, "passed": 0, "failed": 1}
        if lines and lines[-1].startswith("{"):
            counts = json.loads(lines[-1])
        else:
            print("the scenario ended early:", lines[-1:] or "no output")
        check_ledger(folder / "ledger.jsonl", counts)
    print(SUMMARY.format(**counts))
    return 1 if counts["failed"] or not counts["checks"] else 0


def check_ledger(path: pathlib.Path, counts: dict) -> None:
    """The simulator's own books: no client order id was accepted twice but the one reused on purpose."""
    ledger = [json.loads(line) for line in path.read_text().splitlines()]
    twice = sum(line["clOrdIdsAcceptedTwice"] for line in ledger if line["kind"] == "account")
    good = twice == 1
    counts["checks"] += 1
    counts["passed" if good else "failed"] += 1
    if not good:
        print(f"FAILED ledger: {twice} client order ids accepted twice")


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Opens what `millrun latency` writes with a standard HdrHistogram tool and compares the figures.

It makes a virtual environment with HdrHistogram's Python port (unmodified), has a journal made by
`millrun demo`, then asks `millrun latency` for JSON, an interval log and percentile files. The log's
histograms, added up by the tool, must give our percentiles; and the tool must count as many samples up to
each value of our percentile files. The last line is `hdr_tools stages=N checks=N failed=N`; exit 0 if none failed.
"""

import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# Thousandths.
PERCENTILES = {"p50_ns": 500, "p90_ns": 900, "p99_ns": 990, "p99_9_ns": 999}


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


def make_journal(millrun: str, folder: pathlib.Path) -> pathlib.Path:
    """Trades on the simulator, and kills the engine on the way: a journal of two runs."""
    site = folder / "site"
    demo = [millrun, "demo", "--orders", "1000", "--keep", str(site)]
    subprocess.run(demo, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return site / "data" / "journal"


def compare(folder: pathlib.Path) -> int:
    """Runs inside the environment."""
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogReader

    report = json.loads((folder / "report.json").read_text())
    added = {}
    reader = HistogramLogReader(str(folder / "stages.hlog"), HdrHistogram(1, 60_000_000_000, 3))
    while (histogram := reader.get_next_interval_histogram()) is not None:
        tag = histogram.get_tag()
        added.setdefault(tag, HdrHistogram(1, 60_000_000_000, 3)).add(histogram)
    checks = failed = 0

    def check(what: str, found, expected) -> None:
        nonlocal checks, failed
        checks += 1
        if found != expected:
            failed += 1
            print(f"{what}: the tool says {found}, we say {expected}")

    for row in report["stages"]:
        tag = f"{row['venue']}.{row['stage']}"
        histogram = added.pop(tag, None)
        if histogram is None:
            check(tag, "nothing", "a histogram")
            continue
        check(f"{tag} count", histogram.get_total_count(), row["count"])
        check(f"{tag} max", histogram.get_max_value(), row["max_ns"])
        for key, thousandths in PERCENTILES.items():
            # A percentile between two samples is the longer one, as in HdrHistogram itself; the port
            # would take the nearer one, so it is asked for that sample's own place.
            rank = -(-thousandths * row["count"] // 1000)
            place = 100.0 * rank / row["count"]
            check(f"{tag} {key}", histogram.get_value_at_percentile(place), row[key])
        check_percentile_file(folder / "hgrm" / f"{tag}.hgrm", histogram, check)
    check("tags that we do not report", sorted(added), [])
    print(f"hdr_tools stages={len(report['stages'])} checks={checks} failed={failed}")
    return 1 if failed or not report["stages"] else 0


def check_percentile_file(path: pathlib.Path, histogram, check) -> None:
    """Each line says how many samples are no longer than its value: the tool must count as many."""
    counted = {}
    for step in histogram.get_recorded_iterator():
        value = histogram.get_highest_equivalent_value(step.value_iterated_to)
        counted[value] = step.total_count_to_this_value
    rows = rows_of(path.read_text())
    check(f"{path.name} has lines", len(rows) > 2, True)
    for value, quantile, total, *_ in rows:
        check(f"{path.name} samples up to {value}", total, counted.get(int(value)))
        check(f"{path.name} share at {value}", total >= quantile * rows[-1][2], True)
    check(f"{path.name} samples", rows[-1][2], histogram.get_total_count())


def rows_of(text: str) -> list:
    """The numbers of each line of a percentile distribution."""
    lines = [line.split() for line in text.splitlines()[1:]]
    return [[float(word) for word in words] for words in lines if words and "#" not in words[0]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millrun", help="the binary")
    parser.add_argument("--environment", type=pathlib.Path,
                        help="folder of the virtual environment, kept for the next run")
    parser.add_argument("--compare", type=pathlib.Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.compare:
        return compare(arguments.compare)
    if not arguments.millrun:
        parser.error("--millrun is missing")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        python = prepare_environment(arguments.environment or folder / "venv")
        journal = make_journal(arguments.millrun, folder)
        latency = [arguments.millrun, "latency", "--dir", str(journal), "--json",
                   "--hlog", str(folder / "stages.hlog"), "--interval", "1",
                   "--hgrm", str(folder / "hgrm")]
        report = subprocess.run(latency, check=True, stdout=subprocess.PIPE, text=True).stdout
        (folder / "report.json").write_text(report)
        script = [str(python), str(HERE / "run.py"), "--compare", str(folder)]
        return subprocess.run(script, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

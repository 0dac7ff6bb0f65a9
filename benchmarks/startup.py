"""How long the command line takes to start, beside Python itself.

    python benchmarks/startup.py [--runs 10] [--json FILE]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    'python': ['-c', 'pass'],
    'posepile --help': ['-m', 'posepile.cli', '--help'],
    'posepile list': ['-m', 'posepile.cli', 'list'],
    'posepile info aspset': ['-m', 'posepile.cli', 'info', 'aspset'],
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--runs', type=int, default=10)
    parser.add_argument('--json', metavar='FILE', help='also write the figures to this file')
    args = parser.parse_args()
    times = {name: [] for name in COMMANDS}
    for _ in range(args.runs):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(t) for name, t in times.items()}
    print(f'{"command":24}{"seconds":>9}{"ratio":>8}')
    for name, seconds in medians.items():
        print(f'{name:24}{seconds:9.3f}{seconds / medians["python"]:8.1f}')
    if args.json:
        with open(args.json, 'w') as f:
            json.dump(medians, f, indent=1)


if __name__ == '__main__':
    main()

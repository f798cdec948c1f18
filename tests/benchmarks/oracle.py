"""Compare the engine with the oracle on as many random cases as you like.

    uv run python -m tests.benchmarks.oracle --cases 1000000 --seed 1 --processes 2

Ends with 1 when anything differs. A difference is drawn again by the seed it is named with.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.pricing import oracle_cases

CHUNK = 2_000
SHOWN = 20


def _chunk(seed: int, cases: int) -> list[str]:
    return oracle_cases.compare(seed, cases)


def main() -> None:
    """Compare, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    chunks = range(0, options.cases, CHUNK)
    seeds = [options.seed + start // oracle_cases.PERIODS for start in chunks]
    sizes = [min(CHUNK, options.cases - start) for start in chunks]
    started = time.monotonic()
    with ProcessPoolExecutor(options.processes) as pool:
        found = [each for chunk in pool.map(_chunk, seeds, sizes) for each in chunk]
    took = time.monotonic() - started
    print(f"{options.cases:,} cases in {took:,.0f} s, {len(found)} differences")  # noqa: T201
    print("\n".join(found[:SHOWN]))  # noqa: T201
    sys.exit(bool(found))


if __name__ == "__main__":
    main()

"""How fast windows of the user's own data can be read, beside what memory and plain readers do, and what to change."""

from lapsdata._bench.report import BenchReport, bench
from lapsdata._bench.timing import Timed

__all__ = ["BenchReport", "Timed", "bench"]

# SPDX-License-Identifier: MIT
"""The benchmark's CSV: rows, medians and quartiles within one floor label."""
import csv
import math
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field

OURS, TEXTBOOK, BARE, FLOOR = 'shmring', 'textbook', 'bare', 'floor'
TESTS = ('stream', 'batch', 'pingpong', 'sleep_pingpong', 'paced', 'idle', 'floor')
LABELS = {'lt100ns': 'below 100 ns', 'lt250ns': '100 to 250 ns', 'ge250ns': '250 ns or more',
          'none': 'not measured: one CPU'}
APIS = {'inplace': 'in place', 'copy': 'copy', 'batch': 'batch'}
REALLY_SLEEPS = 1.5e6   # context switches per million round trips: two of them


@dataclass
class Row:
    """What is measured once a round."""
    test: str
    name: str
    family: str
    wait: str
    api: str
    size: int
    capacity: int
    rate: int
    status: str = 'ok'
    dropped: int = 0
    samples: dict = field(default_factory=lambda: defaultdict(dict))    # round: metric: value
    labels: dict = field(default_factory=dict)                          # round: label

    @property
    def ours(self):
        return self.family == OURS

    @property
    def rival(self):
        """The bare rings are a yardstick."""
        return self.family not in (OURS, BARE)

    @property
    def sleeps(self):
        return self.wait in ('block', 'kernel')

    @property
    def contender(self):
        """The same in all rows of a contender, at any test, size and rate."""
        return self.name, self.wait, self.api


def number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


class Run:
    """A run, read from a file."""

    def __init__(self, path):
        self.keys = {}
        self.rows = []
        self.missing = []       # contenders that were not there when it was built
        with open(path, newline='', encoding='utf-8', errors='replace') as f:
            lines = [line for line in f if not self._key(line)]
        self._read(csv.DictReader(lines))
        self.label = self.keys.get('floor_label') or self._common_label()
        apis = defaultdict(set)
        for row in self.rows:
            apis[row.test, row.name].add(row.api)
        self._ambiguous = {where for where, seen in apis.items() if len(seen) > 1}

    def _key(self, line):
        if not line.startswith('#'):
            return False
        key, _, value = line[1:].strip().partition('=')
        self.keys[key.strip()] = value.strip()
        return True

    def _read(self, reader):
        rows = {}
        for r in reader:
            if r.get('size') in (None, '', '0'):
                if r.get('status') == 'skipped':
                    self.missing.append(r['contender'])
                continue
            where = (r['test'], r['contender'], r['family'], r['wait'], r['api'],
                     int(r['size']), int(r['capacity'] or 0), int(r['rate'] or 0))
            self._add(rows.setdefault(where, Row(*where)), r)
        self.rows = list(rows.values())

    @staticmethod
    def _add(row, r):
        if r['status'] != 'ok':
            row.status = r['status']
        elif r['metric'] == 'dropped':
            row.dropped += int(number(r['value']))
        elif not math.isnan(number(r['value'])):
            row.samples[r['round']][r['metric']] = number(r['value'])
            row.labels[r['round']] = r['label']

    def _common_label(self):
        count = Counter(label for row in self.rows for label in row.labels.values())
        return count.most_common(1)[0][0] if count else 'none'

    def key(self, name, default='not said'):
        return self.keys.get(name) or default

    # ------------------------------------------------------------- figures

    def values(self, row, metric):
        if row.status != 'ok':
            return []
        return [s[metric] for n, s in row.samples.items()
                if metric in s and row.labels[n] == self.label]

    def median(self, row, metric):
        v = self.values(row, metric) if row else []
        return statistics.median(v) if v else math.nan

    def quartiles(self, row, metric):
        """None if there are too few rounds for them."""
        v = self.values(row, metric)
        if len(v) < 3:
            return None
        q = statistics.quantiles(v, n=4, method='inclusive')
        return q[0], q[2]

    def per_line(self, row, metric):
        """The median of each sample's figure divided by the same sample's round trip of a line."""
        v = [s[metric] / s['line_rtt_ns'] for n, s in row.samples.items()
             if metric in s and s.get('line_rtt_ns') and row.labels[n] == self.label]
        return statistics.median(v) if v and row.status == 'ok' else math.nan

    def valid(self, row):
        """Of a test with sleeping sides, only samples in which both slept are compared."""
        return (row.test != 'sleep_pingpong' or
                self.median(row, 'switches_per_m') >= REALLY_SLEEPS)

    def select(self, test, size=None, rate=None, keep=lambda row: True):
        return [row for row in self.rows
                if row.test == test and size in (None, row.size) and
                rate in (None, row.rate) and keep(row)]

    def best(self, rows, metric, higher):
        """(row, value), or (None, NAN)."""
        found = [(self.median(row, metric), row) for row in rows if self.valid(row)]
        found = [f for f in found if not math.isnan(f[0])]
        if not found:
            return None, math.nan
        value, row = (max if higher else min)(found, key=lambda f: f[0])
        return row, value

    def sizes(self, test):
        return sorted({row.size for row in self.rows if row.test == test})

    def rates(self):
        return sorted({row.rate for row in self.rows if row.test == 'paced'})

    # --------------------------------------------------------------- floor

    def line_rtt(self):
        v = [self.median(row, 'line_rtt_ns') for row in self.rows]
        v = [x for x in v if not math.isnan(x)]
        return statistics.median(v) if v else math.nan

    def memcpy(self, size=None):
        """GB/s: at a size, or at its best one."""
        return self.best(self.select('floor', size), 'memcpy_gb_s', True)[1]

    def sample_counts(self):
        """(those that count, all, dropped)"""
        labels = [label for row in self.rows for label in row.labels.values()]
        return (sum(label == self.label for label in labels), len(labels),
                sum(row.dropped for row in self.rows))

    # --------------------------------------------------------------- names

    def label_of(self, row, api=True):
        parts = [row.name.replace('shmring-', 'shmring ')]
        if row.ours:
            parts.append(row.wait)
        if api and (row.test, row.name) in self._ambiguous and row.api in APIS:
            parts.append(APIS[row.api])
        return ' '.join(parts)


# ------------------------------------------------------------------ numbers

def size_text(size):
    for unit, name in ((1 << 20, 'MiB'), (1 << 10, 'KiB')):
        if size >= unit and size % unit == 0:
            return f'{size // unit} {name}'
    return f'{size} B'


def rate_text(rate):
    for unit, name in ((10**6, 'M'), (10**3, 'k')):
        if rate >= unit:
            return f'{rate / unit:g}{name}'
    return f'{rate:g}'


def short(v, digits=3):
    """With so many digits that count, and no exponent."""
    if math.isnan(v) or math.isinf(v):
        return '–'
    if v == 0:
        return '0'
    places = digits - 1 - math.floor(math.log10(abs(v)))
    return f'{v:,.{min(max(places, 0), 6)}f}'


def time_text(ns, digits=3):
    for unit, name in ((1e9, 's'), (1e6, 'ms'), (1e3, 'µs')):
        if ns >= unit:
            return f'{short(ns / unit, digits)} {name}'
    return '–' if math.isnan(ns) else f'{short(ns, digits)} ns'


def count_text(v, digits=3):
    for unit, name in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if v >= unit:
            return f'{short(v / unit, digits)} {name}'
    return short(v, digits)

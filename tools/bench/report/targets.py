# SPDX-License-Identifier: MIT
"""What shmring is to reach: the table that targets.c prints, from the CSV."""
import math
from dataclasses import dataclass

from data import Row, TEXTBOOK, size_text

SLEEPING_RIVALS = ('pipe', 'futex', 'futex-membarrier', 'fifo', 'eventfd')

ABOUT = {
    1: 'Throughput, every message visible as soon as it is committed',
    2: 'Throughput in batches',
    3: 'Copying; and in place against copying',
    4: 'Round trip, spinning',
    5: 'Adaptive waiting against spinning, same layout, the worst case',
    6: 'Blocking throughput against a pipe',
    7: 'Round trip, both sides sleeping',
    8: 'CPU while idle and at a pace; one-way latency against a pipe',
    9: 'In a guest, on /dev/shmring, against the host',
}


@dataclass
class Target:
    nr: int
    figure: str
    metric: str
    mine: tuple             # (row, value)
    theirs: tuple
    ratio: float
    bound: float
    higher: bool            # is better

    @property
    def verdict(self):
        if math.isnan(self.ratio):
            return 'not measured'
        good = self.ratio >= self.bound if self.higher else self.ratio <= self.bound
        return 'met' if good else 'missed'


def ours(*waits, apis=()):
    return lambda r: r.ours and (not waits or r.wait in waits) and (not apis or r.api in apis)


def others(*apis):
    return lambda r: r.rival and (not apis or r.api in apis)


def others_or_marked(r):
    return r.rival or r.name.startswith('marked-slots')


def named(*names):
    return lambda r: r.name in names


def sleeping(r):
    return r.rival and r.sleeps


def divide(a, b):
    return a / b if b else math.nan


class Targets:
    """host: another run, for target 9."""

    def __init__(self, run, host=None):
        self.run = run
        self.list = []
        self._throughput()
        self._copying()
        self._round_trip()
        self._adaptive()
        self._blocking()
        self._sleeping()
        self._cpu()
        self._guest(host)

    def count(self, verdict):
        return sum(t.verdict == verdict for t in self.list)

    def _add(self, *args):
        self.list.append(Target(*args))

    def _best(self, where, metric, higher, keep):
        return self.run.best(self.run.select(*where, keep=keep), metric, higher)

    def _relate(self, nr, figure, where, metric, higher, mine, theirs, bound):
        """The best of ours in relation to the best of theirs."""
        a = self._best(where, metric, higher, mine)
        b = self._best(where, metric, higher, theirs)
        self._add(nr, figure, metric, a, b, divide(a[1], b[1]), bound, higher)

    def _rates_at(self, nr, what, test, bounds, mine, theirs):
        for size, bound in bounds.items():
            self._relate(nr, f'{what}, {size_text(size)}', (test, size, 0), 'msgs_per_s', True,
                         mine, theirs, bound)

    def _pair(self, row, wait=None, api=None):
        """The row that differs in nothing but how it waits, or in nothing but how it copies."""
        where = (row.test, row.name, row.family, wait or row.wait, api or row.api, row.size,
                 row.capacity, row.rate)
        return next((r for r in self.run.rows if where == tuple(
            getattr(r, name) for name in list(Row.__dataclass_fields__)[:8])), None)

    def _worst_pair(self, nr, figure, size, mine, bound, **differs):
        worst = (None, math.nan), (None, math.nan), math.nan
        for row in self.run.select('stream', size, keep=mine):
            other = self._pair(row, **differs)
            a, b = self.run.median(row, 'msgs_per_s'), self.run.median(other, 'msgs_per_s')
            ratio = divide(a, b)
            if not math.isnan(ratio) and not ratio >= worst[2]:
                worst = (row, a), (other, b), ratio
        self._add(nr, figure, 'msgs_per_s', *worst, bound, True)

    # ------------------------------------------------------------- the nine

    def _throughput(self):
        self._rates_at(1, 'every message published', 'stream',
                       {8: 1.5, 64: 2, 256: 1.5, 1024: 1.2}, ours(), others())
        for layout in ('slots', 'records'):
            self._rates_at(1, f'{layout} to bare {layout}', 'stream',
                           {8: 0.85, 64: 0.85, 256: 0.85, 1024: 0.85},
                           named(f'shmring-{layout}'),
                           named(f'bare-{layout}', f'bare-{layout}-512'))
        self._rates_at(2, 'batches', 'batch', {8: 1, 64: 1.2, 256: 1, 1024: 1}, ours(), others())

    def _copying(self):
        self._rates_at(3, 'copying', 'stream', {4096: 1, 65536: 1}, ours(apis=('copy',)),
                       others('copy'))
        for size in self.run.sizes('stream'):
            self._worst_pair(3, f'in place to copying, {size_text(size)}', size,
                             ours(apis=('inplace',)), 1, api='copy')

    def _round_trip(self):
        where = ('pingpong', 64, 0)
        mine = self._best(where, 'rtt_p50_ns', False, ours('spin'))
        row = mine[0]
        line = (None, self.run.median(row, 'line_rtt_ns'))
        ratio = self.run.per_line(row, 'rtt_p50_ns') if row else math.nan
        self._add(4, 'p50 to the raw cache line, 64 B', 'rtt_p50_ns', mine, line, ratio, 1.3,
                  False)
        for layout, p50 in (('slots', 1), ('records', 1.15)):
            for metric, bound in (('rtt_p50_ns', p50), ('rtt_p99_ns', 1)):
                self._relate(4, f'{layout}, {metric[4:7]}, 64 B', where, metric, False,
                             named(f'shmring-{layout}'), others_or_marked, bound)

    def _adaptive(self):
        for size in self.run.sizes('stream'):
            self._worst_pair(5, f'adaptive to spinning, {size_text(size)}', size,
                             ours('adaptive'), 0.95, wait='spin')

    def _blocking(self):
        bounds = {64: 10, 4096: 2, 65536: 4}
        for wait in ('block', 'adaptive'):
            self._rates_at(6, f'{wait} to pipe', 'stream', bounds, ours(wait), named('pipe'))

    def _sleeping(self):
        self._relate(7, 'p50, 64 B', ('sleep_pingpong', 64, 0), 'rtt_p50_ns', False,
                     ours('block'), named(*SLEEPING_RIVALS), 1.05)

    def _cpu(self):
        for wait in ('adaptive', 'block'):
            worst = self._best(('idle',), 'cpu_cores', True, ours(wait))
            self._add(8, f'idle, {wait}: cores', 'cpu_cores', worst, (None, math.nan), worst[1],
                      0.001, False)
        for wait in ('adaptive', 'block'):
            self._relate(8, f'{wait}, 10k messages/s: cores', ('paced', 64, 10000), 'cpu_cores',
                         False, ours(wait), sleeping, 1.05)
            self._relate(8, f'{wait}, 100k messages/s: cores', ('paced', 64, 100000),
                         'cpu_cores', False, ours(wait), sleeping, 1.1)
            self._one_way(wait)

    def _one_way(self, wait):
        """Of the row with the least CPU time: one way to wait has to reach both bounds."""
        row, _ = self._best(('paced', 64, 100000), 'cpu_cores', False, ours(wait))
        mine = (row, self.run.median(row, 'oneway_p50_ns'))
        pipe = self._best(('paced', 64, 100000), 'oneway_p50_ns', False, named('pipe'))
        self._add(8, f'{wait}, 100k messages/s: one-way p50', 'oneway_p50_ns', mine, pipe,
                  divide(mine[1], pipe[1]), 1, False)

    @staticmethod
    def _factor(run):
        """Spinning throughput, the textbook ring's, and their ratio."""
        rows = run.select('stream', 64)
        a = run.best([r for r in rows if r.ours and r.wait == 'spin'], 'msgs_per_s', True)
        b = run.best([r for r in rows if r.family == TEXTBOOK], 'msgs_per_s', True)
        return a, b, divide(a[1], b[1])

    def _guest(self, host):
        a, b, factor = self._factor(self.run)
        on_host = self._factor(host)[2] if host else math.nan
        of_host = f' (the host: {on_host:.3g})' if host else ''
        self._add(9, f'spinning to textbook, 64 B, to the same on the host{of_host}',
                  'msgs_per_s', a, b, divide(factor, on_host), 0.9, True)
        self._relate(9, 'sleeping round trip to pipe, 64 B', ('sleep_pingpong', 64, 0),
                     'rtt_p50_ns', False, ours('block'), named('pipe'), 1)

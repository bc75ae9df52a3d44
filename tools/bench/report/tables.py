# SPDX-License-Identifier: MIT
"""The tables of the report."""
import math
from html import escape

from data import TESTS, rate_text, short, size_text, time_text, count_text
from targets import ABOUT

TITLES = {
    'stream': 'Throughput, every message published',
    'batch': 'Throughput in batches',
    'pingpong': 'Round trip, not sleeping',
    'sleep_pingpong': 'Round trip, both sides sleeping',
    'paced': 'One way, at a pace',
    'idle': 'Idle, waiting for a message',
    'floor': 'The floor: memcpy on one core',
}

# (heading, unit, what is shown, metric, scale); the first one is sorted by
COUNTS = (('calls', '/M', 'median', 'syscalls_per_m', 1),
          ('switches', '/M', 'median', 'switches_per_m', 1),
          ('wakes', '/M', 'median', 'wakes_per_m', 1))
STREAM = (('messages', 'M/s', 'median', 'msgs_per_s', 1e-6),
          ('quartiles', 'M/s', 'quartiles', 'msgs_per_s', 1e-6),
          ('throughput', 'MB/s', 'median', 'mb_per_s', 1),
          ('to best other', '', 'best', 'msgs_per_s', 1),
          ('to memcpy', '', 'memcpy', 'mb_per_s', 1),
          ('CPU', 'cores', 'median', 'cpu_cores', 1)) + COUNTS
ROUND_TRIP = (('p50', 'µs', 'median', 'rtt_p50_ns', 1e-3),
              ('quartiles', 'µs', 'quartiles', 'rtt_p50_ns', 1e-3),
              ('p99', 'µs', 'median', 'rtt_p99_ns', 1e-3),
              ('p99.9', 'µs', 'median', 'rtt_p999_ns', 1e-3),
              ('max', 'µs', 'median', 'rtt_max_ns', 1e-3),
              ('to best other', '', 'best', 'rtt_p50_ns', 1),
              ('to line', '', 'line', 'rtt_p50_ns', 1),
              ('CPU', 'cores', 'median', 'cpu_cores', 1)) + COUNTS
COLUMNS = {
    'stream': STREAM, 'batch': STREAM, 'pingpong': ROUND_TRIP, 'sleep_pingpong': ROUND_TRIP,
    'paced': (('CPU', 'cores', 'median', 'cpu_cores', 1),
              ('quartiles', 'cores', 'quartiles', 'cpu_cores', 1),
              ('to best other', '', 'best', 'cpu_cores', 1),
              ('CPU time', 's', 'median', 'cpu_s', 1),
              ('p50', 'µs', 'median', 'oneway_p50_ns', 1e-3),
              ('p99', 'µs', 'median', 'oneway_p99_ns', 1e-3),
              ('p99.9', 'µs', 'median', 'oneway_p999_ns', 1e-3),
              ('p50 to best other', '', 'best', 'oneway_p50_ns', 1),
              ('p50 to line', '', 'line', 'oneway_p50_ns', 1),
              ('messages', 'k/s', 'median', 'msgs_per_s', 1e-3)) + COUNTS,
    'idle': (('CPU', 'cores', 'median', 'cpu_cores', 1),
             ('quartiles', 'cores', 'quartiles', 'cpu_cores', 1),
             ('to best other', '', 'best', 'cpu_cores', 1)),
    'floor': (('memcpy', 'GB/s', 'median', 'memcpy_gb_s', 1),
              ('quartiles', 'GB/s', 'quartiles', 'memcpy_gb_s', 1),
              ('cache line', 'ns', 'median', 'line_rtt_ns', 1)),
}
HIGHER = ('msgs_per_s', 'memcpy_gb_s')


def html(name, content, css=''):
    return f'<{name}{f" class={css!r}" if css else ""}>{content}</{name}>'


def metric_text(metric, v):
    if math.isnan(v):
        return '–'
    if metric.endswith('_ns'):
        return time_text(v)
    return f'{count_text(v)}/s' if metric == 'msgs_per_s' else short(v)


# ------------------------------------------------------------------ targets

def picked(run, metric, pick):
    row, v = pick
    name = run.label_of(row) if row else ''
    if not row and not math.isnan(v):
        name = 'raw cache line'
    return html('td', escape(name)) + html('td', metric_text(metric, v), 'n')


def target_row(run, t):
    sign = '≥' if t.higher else '≤'
    mark = {'met': '✓ met', 'missed': '✗ missed'}.get(t.verdict, t.verdict)
    return html('tr', html('td', escape(t.figure)) + picked(run, t.metric, t.mine) +
                picked(run, t.metric, t.theirs) + html('td', short(t.ratio), 'n') +
                html('td', f'{sign} {t.bound:g}', 'n') +
                html('td', mark, t.verdict.replace(' ', '-')))


def targets_table(run, targets):
    head = ''.join(html('th', escape(h), css) for h, css in (
        ('figure', ''), ('shmring', ''), ('', 'n'), ('in relation to', ''), ('', 'n'),
        ('ratio', 'n'), ('target', 'n'), ('', '')))
    out = [f'<thead><tr>{head}</tr></thead>']
    for nr, about in ABOUT.items():
        rows = ''.join(target_row(run, t) for t in targets.list if t.nr == nr)
        title = f'<tr class="group"><th colspan="8">{nr}. {escape(about)}</th></tr>'
        out.append(html('tbody', title + rows))
    return html('div', html('table', ''.join(out), 'targets'), 'wide')


# -------------------------------------------------------------- every figure

class Table:
    """One test, at one size and rate."""

    def __init__(self, run, test, size, rate):
        self.run, self.test, self.size, self.rate = run, test, size, rate
        self.columns = COLUMNS[test]
        self.rows = sorted(run.select(test, size, rate), key=self._order)
        self.best = {c[3]: run.best([r for r in self.rows if not r.ours], c[3], c[3] in HIGHER)[1]
                     for c in self.columns if c[2] == 'best'}

    def _order(self, row):
        key = self.columns[0][3]
        v = self.run.median(row, key)
        return (math.isnan(v), not self.run.valid(row), -v if key in HIGHER else v)

    def _value(self, row, shows, metric, scale):
        v = self.run.median(row, metric)
        if shows == 'best':
            other = self.best[metric]
            return v / other if other else math.nan
        if shows == 'memcpy':
            return v / (self.run.memcpy() * 1000)
        return self.run.per_line(row, metric) if shows == 'line' else v * scale

    def cell(self, row, column):
        _, _, shows, metric, scale = column
        if shows == 'quartiles':
            q = self.run.quartiles(row, metric)
            return f'{short(q[0] * scale)} … {short(q[1] * scale)}' if q else '–'
        return short(self._value(row, shows, metric, scale))

    def _row(self, row):
        name = escape(self.run.label_of(row))
        if not self.run.valid(row) and self.run.values(row, 'switches_per_m'):
            name += ' <small>did not sleep each time; not compared</small>'
        cells = html('td', name)
        if row.status == 'ok' and self.run.values(row, self.columns[0][3]):
            cells += ''.join(html('td', self.cell(row, c), 'n') for c in self.columns)
        else:
            what = {'broken': 'BROKEN: lost or damaged messages, or hung',
                    'skipped': 'skipped: not for this machine or this size'}.get(
                        row.status, f'no steady sample with this label; {row.dropped} dropped')
            cells += f'<td colspan="{len(self.columns)}" class="none">{what}</td>'
        return html('tr', cells, 'ours' if row.ours else '')

    def _head(self):
        cells = ''.join(html('th', f'{h}<br><small>{u}</small>', 'n')
                        for h, u, *_ in self.columns)
        return f'<thead><tr><th></th>{cells}</tr></thead>'

    def title(self):
        parts = [f'{size_text(self.size)} messages']
        if self.rate:
            parts.append(f'{rate_text(self.rate)} a second')
        parts.append(f'channels of {size_text(self.rows[0].capacity)}')
        return ', '.join(parts)

    def __str__(self):
        body = html('tbody', ''.join(self._row(r) for r in self.rows))
        return html('div', html('table', self._head() + body), 'wide')


def floor_table(run):
    """All sizes of the floor in one."""
    columns = COLUMNS['floor']
    rows = []
    for row in run.select('floor'):
        table = Table(run, 'floor', row.size, row.rate)
        cells = ''.join(html('td', table.cell(row, c), 'n') for c in columns)
        rows.append(html('tr', html('td', size_text(row.size)) + cells))
    head = ''.join(html('th', f'{h}<br><small>{u}</small>', 'n') for h, u, *_ in columns)
    return html('div', html('table', f'<thead><tr><th>size</th>{head}</tr></thead>' +
                            html('tbody', ''.join(rows))), 'wide')


def tables_of(run, test):
    if test == 'floor':
        return floor_table(run)
    out = []
    for size, rate in sorted({(r.size, r.rate) for r in run.select(test)}):
        table = Table(run, test, size, rate)
        out.append(f'<details><summary>{table.title()}</summary>{table}</details>')
    return ''.join(out)


def every_figure(run):
    return ''.join(html('h3', TITLES[test]) + tables_of(run, test)
                   for test in TESTS if run.select(test))

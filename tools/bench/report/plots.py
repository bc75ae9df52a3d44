# SPDX-License-Identifier: MIT
"""The plots of the report: which contenders are shown, and how."""
import math
from collections import defaultdict
from html import escape

from chart import Axis, Dots, Series, dot_plot, lines_chart
from data import BARE, TEXTBOOK, count_text, rate_text, short, size_text, time_text

MARKERS = {'spin': 'circle', 'busy': 'circle', 'block': 'square', 'kernel': 'square',
           'adaptive': 'triangle'}
COLOURS = {     # classes of style.css; other contenders get one of the rest
    'shmring-records': 'c-ours', 'shmring-slots': 'c-ours2',
    'textbook-acqrel': 'c-textbook', 'textbook-seqcst': 'c-textbook2', 'pipe': 'c-pipe',
    'futex': 'c-futex', 'futex-membarrier': 'c-futex2', 'spsc': 'c-spsc', 'mcring': 'c-spsc',
    'rte_ring': 'c-rte', 'rte_ring_zc': 'c-rte', 'ck_ring': 'c-ck', 'boost-spsc': 'c-boost',
    'eventfd': 'c-boost',
}
RATIO = (0.2, 0.3, 0.5, 0.7, 0.85, 1, 1.2, 1.5, 2, 3, 5, 7, 10, 20, 30, 50)
NOTHING = '<p class="none">Not measured in this run.</p>'


def colour(row):
    return COLOURS.get(row.name, 'c-other')


def figure(chart, caption):
    return f'<figure>{chart}<figcaption>{caption}</figcaption></figure>'


def pair(*figures):
    return f'<div class="pair">{"".join(figures)}</div>'


def ratio_text(v):
    return f'{v:g}×'


# ---------------------------------------------------- which rows are shown

class Field:
    """The rows of one test, contender by contender, along sizes or rates."""

    def __init__(self, run, test, along, keep=lambda row: True):
        self.run, self.along = run, along
        self.rows = defaultdict(dict)       # contender: place: row
        for row in run.select(test, keep=keep):
            self.rows[row.contender][getattr(row, along)] = row
        self.places = sorted({place for rows in self.rows.values() for place in rows})

    def any(self, key):
        return next(iter(self.rows[key].values()))

    def values(self, key, metric):
        v = {p: self.run.median(row, metric) for p, row in self.rows[key].items()}
        return {p: x for p, x in sorted(v.items()) if x > 0}

    def best(self, metric, higher, keep=lambda row: True):
        """place: the best figure"""
        out = {}
        for key in self.rows:
            for p, v in self.values(key, metric).items():
                if keep(self.any(key)) and (p not in out or (v > out[p]) == higher):
                    out[p] = v
        return out

    def ranked(self, metric, higher, keep):
        """The rows nearest to the best, over all places; measured at half of them at least."""
        best, scores = self.best(metric, higher), []
        for key in self.rows:
            v = self.values(key, metric) if keep(self.any(key)) else {}
            if v and 2 * len(v) >= len(self.places):
                score = sum(math.log(v[p] / best[p]) for p in v) / len(v)
                scores.append((-score if higher else score, key))
        return [key for _, key in sorted(scores)]

    def ours(self, metric, higher):
        """The best of each way to wait."""
        found = {}
        for key in self.ranked(metric, higher, lambda r: r.ours):
            found.setdefault(key[1], key)
        return list(found.values())

    def others(self, metric, higher, count, keep=lambda row: True):
        """The best ones, each name once."""
        found = {}
        for key in self.ranked(metric, higher, lambda r: r.rival and keep(r)):
            found.setdefault(key[0], key)
        return list(found.values())[:count]

    def bare(self, metric, higher):
        """What shmring could reach."""
        return self.ranked(metric, higher, lambda r: r.family == BARE)[:1]

    def named(self, *names):
        return [key for key in self.rows if key[0] in names]


def series(field, key, metric, shown, scale=1, base=None):
    """base: place: what to divide by"""
    row = field.any(key)
    points = []
    for p, v in field.values(key, metric).items():
        by = scale / base[p] if base and base.get(p) else scale
        if base and not base.get(p):
            continue
        q = field.run.quartiles(field.rows[key][p], metric)
        late = row.test == 'paced' and field.run.median(field.rows[key][p],
                                                        'msgs_per_s') < 0.9 * p
        points.append((p, v * by, (q[0] * by, q[1] * by) if q and q[0] > 0 else None, late))
    weight = 'muted' if key not in shown else 'ours' if row.ours else 'strong'
    return Series(field.run.label_of(row), colour(row), points, weight, MARKERS[row.wait],
                  dash=row.wait in ('busy', 'spin'))


def drawn(field, metric, shown, scale=1, base=None, muted=True):
    return [series(field, key, metric, shown, scale, base) for key in field.rows
            if muted or key in shown]


def grey_names(field, shown):
    names = sorted({key[0] for key in field.rows if not field.any(key).ours} -
                   {key[0] for key in shown})
    return f' Pale: {escape(", ".join(names))}, and the rest of shmring.' if names else ''


# --------------------------------------------------------------- throughput

def size_axis(sizes):
    return Axis('size of a message', size_text, lo=min(sizes) / 1.2, hi=max(sizes) * 1.2,
                ticks=sizes)


def ratio_axis(what, lines):
    v = [p[1] for s in lines if s.weight != 'muted' for p in s.points] + [1]
    lo, hi = max(min(v) / 1.15, 0.19), max(max(v) * 1.1, 1.5)
    return Axis(what, ratio_text, lo=lo, hi=hi, ticks=[r for r in RATIO if lo <= r <= hi])


def throughput(run, test, goals):
    field = Field(run, test, 'size')
    if not field.places:
        return NOTHING
    best = field.others('msgs_per_s', True, 3, lambda r: r.family != TEXTBOOK)
    ours = field.ours('msgs_per_s', True)
    usual = field.named('textbook-acqrel', 'textbook-seqcst', 'pipe')
    bare = field.bare('msgs_per_s', True)
    shown = ours + best + bare + usual
    rate = lines_chart('messages a second, by size', drawn(field, 'msgs_per_s', shown),
                       size_axis(field.places), Axis('messages a second', count_text))
    base = field.best('msgs_per_s', True, lambda r: r.rival)
    lines = drawn(field, 'msgs_per_s', ours + best + bare, base=base, muted=False)
    ratio = lines_chart('in relation to the best other contender', lines,
                        size_axis(field.places),
                        ratio_axis('to the best other contender at that size', lines),
                        levels=((1, ''),),
                        goals=[g for g in goals if g[0] in field.places]) if base else ''
    return pair(
        figure(rate, 'Both axes are logarithmic. Thick: the best of shmring for each way to '
               'wait; thin: the best others, the best bare ring (the same contract and '
               'nothing else), the textbook and the pipe. Dashed lines belong to '
               'those that never sleep. Bars are quartiles.' + grey_names(field, shown)),
        figure(ratio, 'The same, divided by the best contender that is not shmring, whichever '
               'that is at the size. Short bars across: the targets.') if ratio else '')


def in_place(run):
    field = Field(run, 'stream', 'size')
    both = [key for key in field.rows if key[2] == 'inplace' and
            (key[0], key[1], 'copy') in field.rows and
            (not field.any(key).ours or key[1] == 'spin')]
    if not both:
        return NOTHING
    lines, shown = [], []
    for key in both:
        copying = (key[0], key[1], 'copy')
        shown.append(key)
        lines.append(series(field, key, 'msgs_per_s', [key],
                            base=field.values(copying, 'msgs_per_s')))
    ratio = lines_chart('in place in relation to copying', lines, size_axis(field.places),
                        ratio_axis('in place, in relation to copying', lines), levels=((1, ''),))
    all_shown = shown + [(n, w, 'copy') for n, w, _ in shown]
    bytes_of = [series(field, key, 'mb_per_s', all_shown, 1e6) for key in all_shown]
    for s, key in zip(bytes_of, all_shown):
        s.dash, s.marker = key[2] == 'copy', 'square' if key[2] == 'copy' else 'circle'
    bytes_of += memcpy_series(run)
    absolute = lines_chart('bytes a second, by size', bytes_of, size_axis(field.places),
                           Axis('bytes a second', count_text))
    return pair(
        figure(absolute, 'Bytes a second, spinning: solid in place, dashed copying in and out. '
               'memcpy is one core that copies messages of that size, and does nothing else.'),
        figure(ratio, 'Above 1, what is written and read where it lies is faster.'))


def memcpy_series(run):
    points = [(row.size, run.median(row, 'memcpy_gb_s') * 1e9, None, False)
              for row in sorted(run.select('floor'), key=lambda r: r.size)
              if run.values(row, 'memcpy_gb_s')]
    return [Series('memcpy, one core', 'c-floor', points, 'strong', 'diamond', True)]


# ------------------------------------------------------------------ latency

def percentile_row(run, row):
    names = ('p50', 'p99', 'p999', 'max')
    v = {n: run.median(row, f'rtt_{n}_ns') for n in names}
    marks = [(v[n], kind, f'{n.replace("p999", "p99.9")} {time_text(v[n])}')
             for n, kind in zip(names, ('circle', 'hollow diamond', 'hollow square', 'bar'))
             if v[n] > 0]
    return Dots(run.label_of(row), colour(row), marks, (v['p50'], max(m[0] for m in marks)),
                row.ours, time_text(v['p50']))


def percentiles(run, test, size):
    rows = [r for r in run.select(test, size) if run.valid(r) and run.median(r, 'rtt_p50_ns') > 0]
    if not rows:
        return ''
    rows.sort(key=lambda r: run.median(r, 'rtt_p50_ns'))
    line = run.line_rtt()
    levels = [(line, f'raw cache line, {time_text(line)}')] if line > 0 else []
    plot = dot_plot(f'round trips, {size_text(size)}', [percentile_row(run, r) for r in rows],
                    Axis('round trip', time_text),
                    (('circle', 'p50'), ('hollow diamond', 'p99'), ('hollow square', 'p99.9'),
                     ('bar', 'max')), 'p50', levels)
    return figure(plot, f'{size_text(size)} there and back, best p50 first.')


def latency(run, test):
    return pair(*(percentiles(run, test, size) for size in run.sizes(test))) \
        if run.sizes(test) else NOTHING


# --------------------------------------------------------------------- pace

class Pace:
    """The four plots over the offered load show the same contenders."""

    def __init__(self, run):
        self.field = Field(run, 'paced', 'rate')
        best_busy = self.field.others('oneway_p50_ns', False, 1,
                                      lambda r: r.wait == 'busy' and r.family != TEXTBOOK)
        best_asleep = self.field.others('cpu_cores', False, 2, lambda r: r.sleeps)
        usual = self.field.named('textbook-acqrel', 'pipe', 'futex')
        self.shown = list(dict.fromkeys(self.field.ours('oneway_p50_ns', False) + best_busy +
                                        best_asleep + usual))

    def __bool__(self):
        return bool(self.field.places)

    def _chart(self, title, metric, y, levels=()):
        x = Axis('messages a second, offered', rate_text, lo=min(self.field.places) / 1.3,
                 hi=max(self.field.places) * 1.3, ticks=self.field.places)
        return lines_chart(title, drawn(self.field, metric, self.shown), x, y, levels)

    def latency(self):
        parts = [figure(self._chart(f'one way, {name}', metric, Axis('one way, ' + name,
                                                                     time_text)), text)
                 for name, metric, text in (
                     ('p50', 'oneway_p50_ns', 'The median message. Hollow: less than 90% of '
                      'what was offered got through.' + grey_names(self.field, self.shown)),
                     ('p99', 'oneway_p99_ns', 'The 99th percentile.'))]
        return pair(*parts)

    def cpu(self):
        linear = self._chart('CPU against offered load', 'cpu_cores',
                             Axis('cores, both processes together', short, log=False, lo=0))
        log = self._chart('the same, logarithmic', 'cpu_cores',
                          Axis('cores, logarithmic', short))
        return pair(
            figure(linear, 'Dashed: never sleeps; it costs a core whatever there is to do. Solid: '
                   'sleeps when there is nothing (squares: at once; triangles: adaptive).'),
            figure(log, 'The same figures, so that those that sleep can be told apart.'))


# --------------------------------------------------------------- idle, calls

def idle(run):
    rows = [r for r in run.select('idle') if run.values(r, 'cpu_cores')]
    if not rows:
        return NOTHING
    rows.sort(key=lambda r: run.median(r, 'cpu_cores'))
    dots = []
    for row in rows:
        v = run.median(row, 'cpu_cores')
        dots.append(Dots(run.label_of(row), colour(row), [(v, MARKERS[row.wait], short(v))],
                         run.quartiles(row, 'cpu_cores'), row.ours, short(v, 2)))
    return figure(dot_plot('CPU while idle', dots, Axis('cores, both processes together', short),
                           (('circle', 'never sleeps'), ('square', 'sleeps'),
                            ('triangle', 'adaptive')), 'cores', ((0.001, 'target'),), zero=True),
                  'A consumer that waits for a message which does not come.')


def counts_row(run, row):
    metrics = (('syscalls_per_m', 'circle', 'calls'), ('switches_per_m', 'hollow diamond',
               'switches'), ('wakes_per_m', 'bar', 'wakes'))
    marks = [(run.median(row, m), kind, f'{count_text(run.median(row, m))} {what}')
             for m, kind, what in metrics if run.values(row, m)]
    return Dots(run.label_of(row, api=False), colour(row), marks, None, row.ours,
                count_text(run.median(row, 'syscalls_per_m')))


def counts(run, test, rate, caption):
    found = {}
    for row in run.select(test, 64, rate):      # of two rows that differ only in copying, one
        if run.values(row, 'syscalls_per_m'):
            found.setdefault((row.name, row.wait), row)
            if row.api == 'inplace':
                found[row.name, row.wait] = row
    rows = sorted(found.values(), key=lambda r: (run.median(r, 'syscalls_per_m'),
                                                 run.median(r, 'switches_per_m')))
    if not rows:
        return ''
    plot = dot_plot(caption, [counts_row(run, r) for r in rows],
                    Axis('for a million messages', count_text),
                    (('circle', 'system calls'), ('hollow diamond', 'context switches'),
                     ('bar', 'calls to wake')), 'calls', zero=True)
    return figure(plot, caption)


def calls(run):
    parts = [counts(run, 'stream', 0, 'A stream of 64-byte messages, as fast as it goes.')]
    parts += [counts(run, 'paced', rate, f'64-byte messages, {rate_text(rate)} a second.')
              for rate in run.rates() if rate == 100000]
    return pair(*filter(None, parts)) if any(parts) else NOTHING

# SPDX-License-Identifier: MIT
"""Two kinds of plots, as inline SVG; style.css has their colours."""
import itertools
import math
import re
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 680, 390
LEFT, TOP, BOTTOM = 58, 26, 44
ROW = 19                # of a dot plot
VALUES = 70
LETTER = 7.1            # as wide as a bold one may be
GAP = 13                # between labels
POINT = 3.4
clips = itertools.count()


@dataclass
class Axis:
    text: str
    fmt: object = str           # of a tick
    log: bool = True
    lo: float = None            # None: from the data
    hi: float = None
    ticks: list = None


@dataclass
class Series:
    name: str
    css: str                    # class, for its colour
    points: list                # (x, y, (lo, hi) or None, hollow)
    weight: str = 'muted'       # muted, strong, ours
    marker: str = 'circle'
    dash: bool = False


@dataclass
class Dots:
    """A line of a dot plot."""
    name: str
    css: str
    marks: list                 # (value, marker, text)
    span: tuple = None          # (lo, hi)
    strong: bool = False
    value: str = ''
    title: str = field(default='')


def tag(name, content=None, **attrs):
    text = ''.join(f' {k.rstrip("_").replace("_", "-")}="{escape(format_attr(v))}"'
                   for k, v in attrs.items() if v is not None)
    return f'<{name}{text}/>' if content is None else f'<{name}{text}>{content}</{name}>'


def format_attr(v):
    return f'{v:.1f}'.rstrip('0').rstrip('.') if isinstance(v, float) else str(v)


def text(x, y, content, **attrs):
    return tag('text', escape(content), x=float(x), y=float(y), **attrs)


def line(x1, y1, x2, y2, css):
    return tag('line', x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=css)


def tick(axis, v):
    """As short as can be: 10 M instead of 10.0 M."""
    return re.sub(r'(\.\d*?)0+(?!\d)', r'\1', axis.fmt(v)).replace('. ', ' ').removesuffix('.')


# -------------------------------------------------------------------- scales

def log_ticks(lo, hi):
    decades = range(math.floor(math.log10(lo)), math.ceil(math.log10(hi)) + 1)
    digits = (1, 2, 5) if math.log10(hi / lo) < 2.2 else (1,)
    return [d * 10.0**e for e in decades for d in digits if lo <= d * 10.0**e * 1.001 and
            d * 10.0**e <= hi * 1.001]


def linear_ticks(lo, hi):
    step = 10.0**math.floor(math.log10((hi - lo) / 4))
    step *= next(m for m in (1, 2, 2.5, 5, 10) if (hi - lo) / (step * m) <= 6)
    return [step * i for i in range(math.ceil(lo / step), math.floor(hi / step + 1e-9) + 1)]


class Scale:
    """From values to places."""

    def __init__(self, axis, values, begin, end):
        values = [v for v in values if not math.isnan(v) and (v > 0 or not axis.log)]
        self.log = axis.log
        self.lo = axis.lo if axis.lo is not None else self._low(values)
        self.hi = axis.hi if axis.hi is not None else max(values, default=1) * \
            (1.25 if axis.log else 1.06)
        if not self.hi > self.lo:
            self.hi = self.lo * 2 if axis.log else self.lo + 1
        self.begin, self.end = begin, end
        self.ticks = axis.ticks or (log_ticks if axis.log else linear_ticks)(self.lo, self.hi)

    def _low(self, values):
        return min(values, default=0.1) / 1.25 if self.log else min(values + [0])

    def __call__(self, v):
        if self.log:
            part = math.log(max(v, self.lo / 1e3) / self.lo) / math.log(self.hi / self.lo)
        else:
            part = (v - self.lo) / (self.hi - self.lo)
        return self.begin + part * (self.end - self.begin)

    def has(self, v):
        return self.lo * 0.999 <= v <= self.hi * 1.001


# ------------------------------------------------------------------- markers

def marker(x, y, kind, css, title=''):
    inner = tag('title', escape(title)) if title else ''
    r = POINT
    if kind.endswith('circle'):
        return tag('circle', inner, cx=float(x), cy=float(y), r=r, class_=css)
    shapes = {
        'square': ((-r, -r), (r, -r), (r, r), (-r, r)),
        'triangle': ((0, -r * 1.35), (r * 1.25, r), (-r * 1.25, r)),
        'diamond': ((0, -r * 1.4), (r * 1.4, 0), (0, r * 1.4), (-r * 1.4, 0)),
        'bar': ((-0.9, -r * 1.5), (0.9, -r * 1.5), (0.9, r * 1.5), (-0.9, r * 1.5)),
    }
    points = ' '.join(f'{x + dx:.1f},{y + dy:.1f}' for dx, dy in shapes[kind])
    return tag('polygon', inner, points=points, class_=css)


def spread(wanted, lo, hi):
    """Places as near to the wanted ones as labels allow, in their order."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = list(wanted)
    last = lo - GAP
    for i in order:
        places[i] = last = max(places[i], last + GAP)
    last = hi + GAP
    for i in reversed(order):
        places[i] = last = min(places[i], last - GAP)
    return places


def room(names):
    return LETTER * max(map(len, names), default=0)


# --------------------------------------------------------------- line charts

def x_axis(scale, axis, top, bottom):
    out = []
    for v in scale.ticks:
        out.append(line(scale(v), top, scale(v), bottom, 'grid'))
        out.append(text(scale(v), bottom + 16, tick(axis, v), text_anchor='middle', class_='tick'))
    middle = (scale.begin + scale.end) / 2
    out.append(text(middle, bottom + 35, axis.text, text_anchor='middle', class_='axis'))
    return ''.join(out)


def y_axis(scale, axis, left, right):
    out = [text(6, 14, axis.text, class_='axis')]
    for v in scale.ticks:
        out.append(line(left, scale(v), right, scale(v), 'grid'))
        out.append(text(left - 7, scale(v) + 4, tick(axis, v), text_anchor='end', class_='tick'))
    return ''.join(out)


def curve(s, sx, sy, fmt):
    places = [(sx(x), sy(y)) for x, y, *_ in s.points]
    css = f'{s.weight} {s.css}{" dash" if s.dash else ""}'
    out = [tag('polyline', tag('title', escape(s.name)), class_='curve ' + css,
               points=' '.join(f'{x:.1f},{y:.1f}' for x, y in places))]
    if s.weight == 'muted':
        return out[0]
    for (x, y), (_, value, spans, hollow) in zip(places, s.points):
        if spans:
            out.append(line(x, sy(spans[0]), x, sy(spans[1]), 'spread ' + s.css))
        out.append(marker(x, y, s.marker, ('hollow ' if hollow else 'mark ') + s.css,
                          f'{s.name}: {fmt(value)}'))
    return ''.join(out)


def end_labels(series, sx, sy, right, top, bottom):
    shown = [s for s in series if s.weight != 'muted' and s.points and sy.has(s.points[-1][1])]
    places = spread([sy(s.points[-1][1]) for s in shown], top + 4, bottom)
    out = []
    for s, y in zip(shown, places):
        x0, y0 = sx(s.points[-1][0]), sy(s.points[-1][1])
        out.append(tag('polyline', points=f'{x0 + 6:.1f},{y0:.1f} {right + 6:.1f},{y0:.1f} '
                       f'{right + 16:.1f},{y:.1f}', class_='leader'))
        out.append(text(right + 19, y + 4, s.name, class_=f'label {s.weight} {s.css}'))
    return ''.join(out)


def lines_chart(title, series, x, y, levels=(), goals=()):
    """levels: (y, text), drawn across; goals: (x, y), to be reached."""
    order = {'muted': 0, 'strong': 1, 'ours': 2}
    series = sorted((s for s in series if s.points), key=lambda s: order[s.weight])
    right = WIDTH - 22 - room([s.name for s in series if s.weight != 'muted'])
    bottom = HEIGHT - BOTTOM
    sx = Scale(x, [p[0] for s in series for p in s.points], LEFT + 8, right - 8)
    sy = Scale(y, [p[1] for s in series for p in s.points] + [g[1] for g in goals], bottom, TOP)
    clip = f'clip{next(clips)}'
    drawn = ''.join(curve(s, sx, sy, y.fmt) for s in series)
    out = [
        tag('clipPath', tag('rect', x=LEFT, y=TOP - 5, width=float(right - LEFT + 5),
                            height=bottom - TOP + 10), id=clip),
        x_axis(sx, x, TOP, bottom), y_axis(sy, y, LEFT, right),
        ''.join(line(LEFT, sy(v), right, sy(v), 'level') +
                text(LEFT + 4, sy(v) - 4, what, class_='tick') for v, what in levels),
        tag('g', drawn, clip_path=f'url(#{clip})'),
        ''.join(line(sx(a) - 11, sy(b), sx(a) + 11, sy(b), 'goal') for a, b in goals),
        end_labels(series, sx, sy, right, TOP, bottom),
    ]
    return svg(title, HEIGHT, out)


def svg(title, height, parts):
    return tag('svg', ''.join(parts), viewBox=f'0 0 {WIDTH} {height}', role='img',
               aria_label=title, xmlns='http://www.w3.org/2000/svg')


# ----------------------------------------------------------------- dot plots

def band(row, i, top):
    return tag('rect', x=0, y=float(top + ROW * i), width=WIDTH, height=ROW,
               class_='band') if row.strong else ''


def dot_row(row, y, sx, zero, names):
    def place(v):
        return zero if v <= 0 and zero is not None else sx(v)

    out = [text(names - 8, y + 4, row.name, text_anchor='end',
                class_=f'label {row.css}{" strong" if row.strong else ""}')]
    if row.span:
        out.append(line(place(row.span[0]), y, place(row.span[1]), y, 'span ' + row.css))
    for value, kind, what in reversed(row.marks):
        css = 'hollow ' if kind.startswith('hollow ') else 'mark '
        out.append(marker(place(value), y, kind.removeprefix('hollow '), css + row.css,
                          f'{row.name}: {what}'))
    out.append(text(WIDTH - VALUES + 8, y + 4, row.value, class_='tick'))
    return ''.join(out)


def legend(items, x, y):
    """Marks and what they mean, in a line."""
    out = []
    for kind, what in items:
        css = 'hollow' if kind.startswith('hollow ') else 'mark'
        out.append(marker(x + 4, y, kind.removeprefix('hollow '), css))
        out.append(text(x + 12, y + 4, what, class_='tick'))
        x += 24 + 6.4 * len(what)
    return ''.join(out)


def dot_plot(title, rows, x, marks, value_name='', levels=(), zero=False):
    """marks: the legend; zero: a place of their own for values of 0."""
    top, bottom = 46, 46 + ROW * len(rows)
    names = max(room([r.name for r in rows]) + 10, 120)
    begin, end = names + 10, WIDTH - VALUES - 10
    values = [m[0] for r in rows for m in r.marks] + [v for v, _ in levels]
    at_zero = zero and any(v <= 0 for v in values)
    sx = Scale(x, values, begin + (30 if at_zero else 0), end)
    out = [*(band(row, i, top) for i, row in enumerate(rows)), legend(marks, names, 12),
           text(WIDTH - VALUES + 8, top - 8, value_name, class_='axis'),
           x_axis(sx, x, top - 6, bottom)]
    if at_zero:
        out.append(line(begin, top - 6, begin, bottom, 'grid'))
        out.append(text(begin, bottom + 16, '0', text_anchor='middle', class_='tick'))
    for v, what in levels:
        out.append(line(sx(v), top - 6, sx(v), bottom, 'level'))
        out.append(text(sx(v), top - 10, what, text_anchor='middle', class_='tick'))
    out += [dot_row(row, top + ROW * (i + 0.5), sx, begin if at_zero else None, names)
            for i, row in enumerate(rows)]
    return svg(title, bottom + BOTTOM, out)

# SPDX-License-Identifier: MIT
"""The benchmark's CSV as one HTML page: python3 tools/bench/report CSV HTML [HOST-CSV]

The page needs nothing from anywhere: style and plots are in it, and there is no
script. HOST-CSV is another run, on the host, for target 9. With - for HTML the
page goes to standard output.
"""
import math
import pathlib
import string
import sys
from html import escape

sys.dont_write_bytecode = True      # these are sources

import plots                        # noqa: E402
from data import LABELS, TESTS, Run, count_text, short, size_text, time_text   # noqa: E402
from tables import TITLES, every_figure, targets_table              # noqa: E402
from targets import Targets                                         # noqa: E402

HERE = pathlib.Path(__file__).parent
GOALS = {'stream': ((8, 1.2), (64, 1.2), (256, 1.2), (4096, 1), (65536, 1)),
         'batch': ((8, 1), (64, 1.2), (256, 1), (1024, 1))}
BACKENDS = {'kmod': '/dev/shmring, the kernel module', 'memfd': 'memfd and futexes, no module'}


def p(text, css=''):
    return f'<p{f" class={css!r}" if css else ""}>{text}</p>'


# -------------------------------------------------------------------- header

def facts(run):
    used, samples, dropped = run.sample_counts()
    line, copy = run.line_rtt(), run.memcpy()
    rounds = run.key('rounds')
    return {
        'Kernel': f'Linux {run.key("kernel")}, {run.key("machine")}',
        'CPU': f'{run.key("cpu")}; {run.key("ncpus")} of them to run on',
        'Backend': BACKENDS.get(run.key('backend'), run.key('backend')),
        'Date': run.key('date').replace('T', ' ').replace('Z', ' UTC'),
        'Rounds': f'{rounds}, interleaved, samples of {run.key("seconds")} s; medians',
        'Floor': f'a cache line there and back in {time_text(line)}; memcpy '
                 f'{short(copy)} GB/s',
        'Floor label': f'{run.label} ({LABELS.get(run.label, "unknown")}); {used} of '
                       f'{samples} samples have it, {dropped} more were dropped',
    }


def header(run, targets):
    rows = ''.join(f'<dt>{k}</dt><dd>{escape(v)}</dd>' for k, v in facts(run).items())
    verdict = (f'{targets.count("met")} targets met, {targets.count("missed")} missed, '
               f'{targets.count("not measured")} not measured.')
    if affected(run, 'broken'):
        verdict += ' Broken: ' + '; '.join(affected(run, 'broken')) + '.'
    lead = 'Messages between two processes on two cores, through shmring and through what else ' \
        'there is.'
    return f'<h1>shmring: the benchmark</h1>{p(lead, "lead")}<dl>{rows}</dl>{p(escape(verdict))}'


def affected(run, status):
    where = {}
    for row in run.rows:
        if row.status == status:
            where.setdefault(f'{run.label_of(row)}, {row.test}', set()).add(row.size)
    return [f'{name} ({", ".join(size_text(s) for s in sorted(sizes))})'
            for name, sizes in where.items()]


def problems(run):
    """What is not there, in words."""
    out = []
    absent = [TITLES[t] for t in TESTS if not run.select(t)]
    if absent:
        out.append('Not measured: ' + '; '.join(absent) + '.')
    if run.missing:
        out.append('Not there when this was built: ' + ', '.join(run.missing) + '.')
    for status, what in (('broken', 'BROKEN (messages lost or damaged, or it hung)'),
                         ('skipped', 'Skipped (not for this machine, or not for the size)')):
        names = affected(run, status)
        if names:
            out.append(f'{what}: ' + '; '.join(names) + '.')
    unsteady = sum(r.status == 'ok' and run.label not in r.labels.values() for r in run.rows)
    if unsteady:
        out.append(f'{unsteady} of {len(run.rows)} figures have no sample with this label.')
    return ''.join(p(escape(text)) for text in out) or p('Nothing is missing.')


# ------------------------------------------------------------- the textbook

def cores(run, keep):
    _, v = run.best(run.select('idle', keep=keep), 'cpu_cores', False)
    return '' if math.isnan(v) else f'{short(v, 2)} of a core' if v < 0.95 else f'{v:.2f} cores'


def rate(run, name, size=64):
    return run.best(run.select('stream', size, keep=lambda r: r.name == name), 'msgs_per_s',
                    True)[1]


def ordering_note(run):
    strict, loose = rate(run, 'textbook-seqcst'), rate(run, 'textbook-acqrel')
    if math.isnan(strict + loose):
        return ''
    return (f'In this run, at 64 bytes: {count_text(strict)} messages a second, against '
            f'{count_text(loose)} with release and acquire.')


def ours_note(run):
    rows = run.select('stream', 64, keep=lambda r: r.ours and r.wait == 'adaptive')
    _, v = run.best(rows, 'msgs_per_s', True)
    return '' if math.isnan(v) else (f'With something to do it moved {count_text(v)} messages '
                                     'of 64 bytes a second in this run.')


def textbook(run):
    busy = cores(run, lambda r: r.family == 'textbook')
    ours = cores(run, lambda r: r.ours and r.wait == 'adaptive')
    page = string.Template((HERE / 'textbook.html').read_text(encoding='utf-8'))
    return page.substitute(
        idle_textbook=busy or 'a whole core', idle_note=', in this run' if busy else '',
        idle_ours=f'{ours} in this run' if ours else 'next to nothing',
        ordering_note=ordering_note(run), ours_note=ours_note(run))


# ------------------------------------------------------------------- methods

def method(run):
    return ''.join(p(text) for text in (
        'Two processes, pinned to two CPUs, with a channel each way of the same capacity in '
        'bytes for every contender. Every message is written in full and read in full, where it '
        'lies if the contender allows that, and carries a sequence number that is checked; '
        '<code>--check</code> verifies every byte. A contender that loses or damages a message is '
        'reported as broken and has no figures.',
        f'Contenders take turns: {escape(run.key("rounds"))} rounds over all of them, in another '
        'order each time, so that whatever disturbs the machine for a while disturbs all alike. '
        'Figures are medians of the rounds, and bars are quartiles, where there are three rounds '
        'or more.',
        'The floor is taken right before and right after each sample: the time a cache line needs '
        'from one core to the other and back. In a virtual machine the two cores move about on '
        'the host, and that time changes several times over. A sample during which it changed by '
        'more than a quarter is dropped and taken again; the others are labelled with it (below '
        '100 ns, below 250 ns, or more), and only samples with the most common label are '
        'compared.',
        'CPU is that of both processes, less what the sender spends waiting for its time to send '
        'where pauses are too short to be slept through. System calls are counted where they are '
        'made; shmring’s are its sleeps and its wake-ups. Clocks’ own cost is taken off round '
        'trips. In the sleeping round trip both sides have to sleep each time: a sample with '
        'fewer than 1.5 context switches a round trip is not compared.'))


def reproduce(run):
    options = f'--rounds {run.key("rounds", "5")} --seconds {run.key("seconds", "0.2")}'
    return (f'<pre>make bench BENCH="{escape(options)}"</pre>' +
            p('builds what is needed, measures, and writes <code>build/bench/report.csv</code> '
              'and this page, <code>build/bench/report.html</code>. <code>make bench '
              'BENCH=--help</code> shows the options, <code>--backend kmod</code> or '
              '<code>memfd</code> among them. Where there is no Python, a guest for '
              'instance, only the CSV is made:') +
            '<pre>bench --csv guest.csv                                  # there\n'
            'python3 tools/bench/report guest.csv guest.html host.csv   # here</pre>' +
            p('The host’s run is only for target 9, and may be left out.'))


# ---------------------------------------------------------------------- page

def sections(run, targets):
    """(id, title, body)"""
    pace = plots.Pace(run)
    return (
        ('targets', 'Targets', targets_table(run, targets)),
        ('throughput', 'Throughput by size',
         '<h3>Every message published at once</h3>' +
         plots.throughput(run, 'stream', GOALS['stream']) + '<h3>In batches</h3>' +
         plots.throughput(run, 'batch', GOALS['batch'])),
        ('in-place', 'In place and copying', plots.in_place(run)),
        ('latency', 'Round trips', '<h3>Spinning</h3>' + plots.latency(run, 'pingpong') +
         '<h3>Both sides sleeping</h3>' + plots.latency(run, 'sleep_pingpong')),
        ('cpu', 'CPU against offered load', pace.cpu() if pace else plots.NOTHING),
        ('one-way', 'One-way latency at each pace', pace.latency() if pace else plots.NOTHING),
        ('idle', 'CPU while idle', plots.idle(run)),
        ('calls', 'System calls and context switches', plots.calls(run)),
        ('textbook', 'The textbook’s buffer, and shmring', textbook(run)),
        ('method', 'How it was measured', method(run)),
        ('missing', 'What is missing', problems(run)),
        ('figures', 'Every figure', p(
            '“To best other” is the ratio to the best contender that is not shmring: more is '
            'better for throughput, less for time and CPU. “To line” is the ratio to the cache '
            'line’s time around the same sample, “to memcpy” to the best figure of the floor. '
            'shmring’s rows are shaded.') + every_figure(run)),
        ('reproduce', 'How to reproduce it', reproduce(run)),
    )


def page(run, host=None):
    targets = Targets(run, host)
    parts = sections(run, targets)
    style = (HERE / 'style.css').read_text(encoding='utf-8')
    nav = ''.join(f'<a href="#{name}">{title}</a> ' for name, title, _ in parts)
    body = ''.join(f'<section id="{name}"><h2>{title}</h2>{content}</section>\n'
                   for name, title, content in parts)
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>shmring: the benchmark</title><style>\n{style}</style></head>\n<body>'
            f'<header>{header(run, targets)}<nav>{nav}</nav></header>\n{body}</body></html>\n')


def main(argv):
    if len(argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        text = page(Run(argv[1]), Run(argv[3]) if len(argv) == 4 else None)
        if argv[2] == '-':
            sys.stdout.write(text)
        else:
            pathlib.Path(argv[2]).write_text(text, encoding='utf-8')
    except OSError as e:
        print(f'report: {e.filename}: {e.strerror}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))

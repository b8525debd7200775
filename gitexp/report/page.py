"""The frame of an HTML page: its style sheet, which stands inside it, and a grid as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report.escape import html
from gitexp.report.sheet import cell_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitexp.report.sheet import Fact, Grid, Sheet

_TEXT_LIMIT = 1_000  # characters of a line of facts
CSS = """
:root{color-scheme:light dark;
--bg:#fff;--ink:#1c2128;--soft:#57606a;--line:#d8dee4;--card:#f6f8fa;
--a:#5b6675;--b:#0b62c4;--promise:#dff3e4;--limit:#1a7f37;
--good:#1a6d33;--good-bg:#e3f5e8;--bad:#a3161f;--bad-bg:#fdeaea;--open:#7a4d00;--open-bg:#fff5d9}
@media (prefers-color-scheme:dark){:root{
--bg:#0f141a;--ink:#e4e9ef;--soft:#9aa6b2;--line:#30363d;--card:#171d25;
--a:#aab4c0;--b:#6cb2ff;--promise:#14301d;--limit:#4fc66f;
--good:#6fdc8c;--good-bg:#12281a;--bad:#ff8f8f;--bad-bg:#341718;--open:#f0c465;--open-bg:#2e2410}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:50rem;margin:0 auto;padding:1.5rem 1.1rem 4rem}
header .kind{color:var(--soft);margin:0;font-size:.9rem}
h1{font-size:1.65rem;line-height:1.2;margin:.1rem 0 1rem;overflow-wrap:anywhere;
letter-spacing:-.01em}
h2{font-size:1.13rem;margin:2.2rem 0 .6rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.5rem 0 .4rem}
p{margin:.5rem 0;overflow-wrap:anywhere}
.lead{font-size:1.08rem}
.none{color:var(--soft)}
.verdict{border-left:.4rem solid;border-radius:.35rem;padding:.8rem 1rem;margin:0}
.verdict strong{display:block;font-size:1.2rem;letter-spacing:.03em}
.verdict span{color:var(--ink);overflow-wrap:anywhere}
.good{color:var(--good);background:var(--good-bg);border-color:var(--good)}
.bad{color:var(--bad);background:var(--bad-bg);border-color:var(--bad)}
.open{color:var(--open);background:var(--open-bg);border-color:var(--open)}
.notes{margin:.8rem 0;padding:.7rem 1rem .7rem 2rem;background:var(--open-bg);border-radius:.35rem}
.notes li{overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.35rem 1.1rem;margin:.6rem 0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:.6rem 0}
.scroll:focus-visible{outline:2px solid var(--b);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding-bottom:.35rem}
th,td{padding:.4rem .5rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap;
vertical-align:baseline}
th{font-weight:600}
thead th{vertical-align:bottom;color:var(--soft)}
th:first-child,td:first-child,th.word,td.word{text-align:left}
th.name,td.word{white-space:normal;overflow-wrap:break-word;max-width:9.5rem}
tr.primary{background:var(--card)}
th small,td small{display:block;color:var(--soft);font-size:.92em;font-weight:400}
small.broken{color:var(--bad);font-weight:700}
code,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.9em}
code.cmd{display:block;background:var(--card);border:1px solid var(--line);border-radius:.35rem;
padding:.6rem .8rem;overflow-wrap:anywhere}
figure{margin:1rem 0}
figcaption{color:var(--soft);font-size:.9rem;margin-top:.3rem}
details{margin:.7rem 0}
summary{cursor:pointer;color:var(--b)}
article+article{margin-top:3.5rem;padding-top:1rem;border-top:3px solid var(--line)}
footer{margin-top:3rem;color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}
svg.plot{display:block;width:100%;max-width:33rem;height:auto;
font:11.5px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
.plot text{fill:var(--ink)}
.plot .tick{fill:var(--soft);text-anchor:middle;font-size:10.5px}
.plot .tick.end{text-anchor:end}
.plot .soft{fill:var(--soft)}
.plot .small{font-size:10.5px}
.plot .promised{fill:var(--limit)}
.plot .side{font-weight:600;paint-order:stroke;stroke:var(--bg);stroke-width:3px}
.plot text.a{fill:var(--a)}
.plot text.b{fill:var(--b)}
.plot .grid{stroke:var(--line);stroke-width:.6}
.plot .axis{stroke:var(--soft);stroke-width:1}
.plot .pair{stroke:var(--soft);stroke-width:1;opacity:.45}
.plot .dot.a{fill:var(--bg);stroke:var(--a);stroke-width:1.7}
.plot .dot.b{fill:var(--b);stroke:var(--bg);stroke-width:.7}
.plot .slope{stroke:var(--soft);stroke-width:1;opacity:.6}
.plot .slope.up{stroke:var(--b)}
.plot .slope.down{stroke:var(--ink);stroke-dasharray:4 3}
.plot .slope.mean{stroke:var(--ink);stroke-width:3;opacity:1}
.plot .leader{fill:none;stroke:var(--soft);stroke-width:1}
.plot .clique{stroke:var(--ink);stroke-width:3.4}
.plot .mean{stroke-width:2.6}
.plot .mean.a{stroke:var(--a)}
.plot .mean.b{stroke:var(--b)}
.plot .zero{stroke:var(--ink);stroke-width:1.2}
.plot .promise{fill:var(--promise)}
.plot .limit{stroke:var(--limit);stroke-width:1.6;stroke-dasharray:5 3}
.plot .interval{stroke:var(--b);stroke-width:3}
.plot .cap{stroke:var(--b);stroke-width:2}
.plot .estimate{fill:var(--b);stroke:var(--bg);stroke-width:1}
.plot .weak{stroke:var(--a)}
.plot .interval.weak{stroke-width:2}
.plot .estimate.weak{fill:var(--a);stroke:var(--bg)}
@media (max-width:34rem){main{padding:1rem .8rem 3rem}h1{font-size:1.35rem}
dl{grid-template-columns:minmax(0,1fr);gap:0}dd{margin-bottom:.5rem}
table.metrics,.metrics tbody,.metrics tr,.metrics th,.metrics td{display:block;width:100%}
.metrics caption{display:block}.metrics thead{position:absolute;clip-path:inset(50%);width:1px;
height:1px;overflow:hidden}
.metrics tr{padding:.5rem 0;border-bottom:1px solid var(--line)}
.metrics th[scope=row]{max-width:none;font-size:1.02rem}
.metrics th,.metrics td,.metrics td.word{border:0;padding:.12rem .5rem;text-align:right;
max-width:none;overflow:hidden}
.metrics th[scope=row]{text-align:left}
.metrics td::before{content:attr(data-label);float:left;color:var(--soft);max-width:60%;
margin-right:.6rem;text-align:left;overflow-wrap:anywhere;white-space:normal}
.metrics td small{display:block}}
@media print{:root{color-scheme:light;--bg:#fff;--ink:#000;--soft:#444;--line:#bbb;--card:#f4f4f4;
--a:#555;--b:#003f8a;--promise:#e6f4ea;--limit:#1a6d33;--good:#145a2a;--good-bg:#fff;
--bad:#8a0f17;--bad-bg:#fff;--open:#5c3a00;--open-bg:#fff}
main{max-width:none;padding:0}h2{break-after:avoid}figure,.verdict,tr{break-inside:avoid}
.scroll{overflow:visible}table{font-size:.75rem}th,td{padding:.25rem .35rem}
article+article{break-before:page}}
"""


def page_table(grid: Grid) -> Iterator[str]:
    """Return the lines of a table; its first column names the rows."""
    yield '<div class="scroll"><table>'
    yield f"<caption>{html(grid.title)}</caption><thead><tr>"
    yield "".join(f'<th scope="col">{html(name)}</th>' for name in grid.header)
    yield "</tr></thead><tbody>"
    for row in grid.rows:
        first, *others = (html(cell_text(cell)) for cell in row)
        cells = "".join(f"<td>{cell}</td>" for cell in others)
        yield f'<tr><th scope="row" class="name">{first}</th>{cells}</tr>'
    yield "</tbody></table></div>"
    if grid.left_out:
        yield f"<p>and {grid.left_out} more</p>"


def page_sheet(sheet: Sheet) -> Iterator[str]:
    """Yield the lines of a whole sheet: headline, tables, parts, lines, facts, next command."""
    if sheet.word or sheet.headline:
        word = f"<strong>{html(sheet.word)}</strong> " if sheet.word else ""
        yield f'<p class="lead">{word}{html(sheet.headline, limit=_TEXT_LIMIT)}</p>'
    for grid in sheet.grids:
        yield from page_table(grid)
    for part in sheet.parts:
        yield from page_sheet(part)
    for item in sheet.items:
        yield f"<p>{html(item.text, limit=_TEXT_LIMIT)}</p>"
        yield from page_facts(item.facts)
    yield from page_facts(sheet.facts)
    if sheet.next_step:
        yield f'<code class="cmd">{html(sheet.next_step, limit=_TEXT_LIMIT)}</code>'


def page_facts(facts: Iterable[Fact]) -> Iterator[str]:
    """Yield a line for each fact."""
    for fact in facts:
        yield f"<p>{html(fact.label)}: {html(fact.text, limit=_TEXT_LIMIT)}</p>"

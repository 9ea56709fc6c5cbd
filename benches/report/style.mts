// How the page looks. Colors of plots, and those they share with the page, are in svg.mts.

export const PAGE_STYLE = `
:root{color-scheme:light dark;--card:#f5f7f9;
--bad:#b3261e;--good:#1a6e34;--warn:#7a5200;--link:#005f96}
@media (prefers-color-scheme:dark){
:root{--card:#1b2128;--bad:#ff9388;--good:#68d391;--warn:#ecc15c;--link:#6bbcf2}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-padding-top:1rem}
body{margin:0 auto;max-width:1160px;padding:2.5rem 1.5rem 4rem;
background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
overflow-wrap:break-word}
h1{font-size:2rem;line-height:1.2;margin:0 0 .35rem;letter-spacing:-.015em}
h2{font-size:1.45rem;line-height:1.25;margin:3.5rem 0 .5rem;padding-top:1rem;letter-spacing:-.01em;
border-top:1px solid var(--line)}
h3{font-size:1.05rem;margin:2rem 0 .75rem}
h4{font-size:.95rem;margin:0;line-height:1.35}
p{margin:.4rem 0 .8rem;max-width:46rem}
a{color:var(--link)}
code{font:.92em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.soft{color:var(--soft)}
.lead{margin:0}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;margin:1.5rem 0 0;padding:0}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,235px),1fr));
gap:.9rem 1.75rem;margin:1.75rem 0;padding:1.1rem 1.25rem;background:var(--card);border-radius:8px}
.facts dt{font-size:.8rem;color:var(--soft)}
.facts dd{margin:0;font-variant-numeric:tabular-nums}
.notice{margin:1rem 0;padding:.8rem 1.1rem;background:var(--card);border-left:4px solid var(--warn);
border-radius:0 8px 8px 0}
.notice h2{font-size:1rem;margin:0 0 .25rem;padding:0;border:0;letter-spacing:0;color:var(--warn)}
.notice.failed{border-color:var(--bad)}
.notice.failed h2{color:var(--bad)}
.notice ul{margin:0;padding-left:1.1rem}
.notice p{margin:0}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));
gap:2.25rem 2rem;align-items:start;margin:1rem 0 1.75rem}
figure{margin:0;min-width:0;max-width:540px}
figcaption{margin-bottom:.35rem}
figcaption p{font-size:.85rem;color:var(--soft);margin:.1rem 0 0}
.plot{display:block;width:100%;height:auto;overflow:visible}
.scroll{overflow-x:auto;margin:.75rem 0 1.5rem;position:relative}
.scroll:focus-visible{outline:2px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;font-size:.86rem;line-height:1.35;font-variant-numeric:tabular-nums;
min-width:min(100%,34rem)}
th,td{padding:.34rem .55rem;text-align:right;white-space:nowrap;vertical-align:baseline;
font-weight:400;border-bottom:1px solid var(--line)}
thead th{color:var(--soft);vertical-align:bottom;white-space:normal;font-size:.8rem;
border-bottom:1px solid var(--soft)}
th:first-child,th.words,td.words{text-align:left}
th:first-child{padding-left:0;position:sticky;left:0;background:var(--paper);z-index:1;
min-width:13.5rem;max-width:22rem;white-space:normal}
td.wrap{white-space:normal;min-width:16rem}
.group th{font-weight:600;padding-top:1.1rem;white-space:nowrap;max-width:none;position:static}
.group span{position:sticky;left:0}
tbody:first-of-type .group th{padding-top:.6rem}
.ours th,.ours td{font-weight:600}
td.bad{color:var(--bad);font-weight:600}
td.good{color:var(--good)}
td.quiet{color:var(--soft)}
details{margin:.5rem 0 1.5rem}
summary{cursor:pointer;font-size:.9rem;color:var(--link)}
footer{margin-top:3.5rem;padding-top:1rem;border-top:1px solid var(--line);font-size:.85rem;
color:var(--soft)}
.holder{position:relative}
.tip{position:absolute;z-index:2;pointer-events:none;padding:.25rem .55rem;border-radius:5px;
background:var(--ink);color:var(--paper);font-size:.8rem;line-height:1.35;white-space:nowrap;
font-variant-numeric:tabular-nums}
.series,.key,.bar{transition:opacity .1s}
.lit .series:not(.on),.lit .key:not(.on){opacity:.16}
.lit .bar:not(.on){opacity:.5}
@media (max-width:560px){
body{padding:1.25rem .75rem 3rem}
h1{font-size:1.6rem}
.facts{padding:.9rem 1rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,140px),1fr))}
th:first-child{min-width:8rem;max-width:9.5rem}
th,td{padding:.34rem .5rem}}
@media print{.scroll{overflow:visible}nav{display:none}figure,tr{break-inside:avoid}}
`

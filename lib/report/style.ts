import { darkSeries, lightSeries, lightTheme, manyLightness } from './theme.ts';

const variables = (colours: Record<string, string>, series: readonly string[]) =>
  [
    ...Object.entries(colours).map(([name, value]) => `--${name}:${value}`),
    ...series.map((colour, i) => `--series-${i}:${colour}`),
  ].join(';');

const light = variables(
  {
    ink: lightTheme.ink,
    muted: lightTheme.muted,
    grid: lightTheme.grid,
    card: lightTheme.background,
    page: '#f5f6f8',
    line: '#d5dae0',
    control: '#7d8691',
    many: manyLightness.light,
  },
  lightSeries,
);
const dark = variables(
  {
    ink: '#e8eaed',
    muted: '#a3abb5',
    grid: '#2f353c',
    card: '#1b1f24',
    page: '#121519',
    line: '#3a4149',
    control: '#7b848f',
    many: manyLightness.dark,
  },
  darkSeries,
);

/** The page's style: system fonts, one column, light or dark as the reader's system is. */
export function styleSheet(): string {
  return `
:root{color-scheme:light dark;${light}}
@media (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1000px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 12px;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:0}
.headline{list-style:none;margin:0 0 20px;padding:0;display:grid;gap:6px}
.headline li{overflow-wrap:anywhere}
.toggles{display:flex;flex-wrap:wrap;gap:8px;margin:0 0 16px}
.key{background:var(--run);display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:8px;vertical-align:-1px}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 14px 10px;margin:0 0 16px}
section>header{display:flex;justify-content:space-between;align-items:center;gap:12px;margin:0 0 8px}
button{font:inherit;font-size:.8rem;color:var(--ink);background:none;border:1px solid var(--control);border-radius:6px;padding:4px 10px;cursor:pointer;white-space:nowrap}
button:hover{border-color:var(--ink)}
button:focus-visible{outline:2px solid var(--series-0);outline-offset:2px}
button.run{font-size:inherit;font-weight:600;text-align:left;white-space:normal;overflow-wrap:anywhere;padding:0 8px;margin:-1px 0}
button.run[aria-pressed=false]{color:var(--muted);text-decoration:line-through;border-style:dashed}
button.run[aria-pressed=false] .key{background:none;box-shadow:inset 0 0 0 2px var(--run)}
.plot{min-height:240px;--plot-background:var(--card)}
.plot svg{--plot-background:var(--card);display:block;max-width:100%}
.caption{color:var(--muted);font-size:.85rem;margin:6px 0 0}
.scroll{overflow-x:auto;background:linear-gradient(to left,var(--card) 40%,transparent) right/32px 100% no-repeat local,linear-gradient(to left,var(--control),transparent) right/10px 100% no-repeat}
.scroll:focus-visible{outline:2px solid var(--series-0);outline-offset:2px}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums;width:100%}
th,td{text-align:left;vertical-align:top;padding:5px 14px 5px 0;border-bottom:1px solid var(--grid)}
thead th{overflow-wrap:anywhere}
tbody th{font-weight:400;color:var(--muted);position:sticky;left:0;background:var(--card);min-width:7rem;max-width:38vw}
td,thead th{min-width:9rem}
thead td{min-width:0}
td{overflow-wrap:anywhere}
@media print{button{display:none}section{break-inside:avoid}}
`;
}

"""Style and script of the page. The script sets texts from outside as text, never as HTML."""

STYLE = """
:root { --ink: #1c2024; --soft: #5b6570; --ground: #ffffff; --line: #d9dee3; --band: #f4f6f8;
  --accent: #0072B2; --edge: rgba(255,255,255,.7); }
:root[data-theme=dark] { --ink: #e4e8ec; --soft: #9aa5b1; --ground: #15181c; --line: #343b43;
  --band: #1d2227; --accent: #56B4E9; --edge: rgba(21,24,28,.7); color-scheme: dark; }
* { box-sizing: border-box; } [hidden] { display: none !important; }
body { margin: 0 auto; padding: 1.25rem; max-width: 90rem; color: var(--ink);
  background: var(--ground); font: 15px/1.5 system-ui, sans-serif; }
body { overflow-wrap: anywhere; }
header { display: flex; gap: 1rem; align-items: baseline; justify-content: space-between; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0; max-width: 68rem; } .soft { color: var(--soft); }
.verdict { margin: 1rem 0; padding: .8rem 1rem; background: var(--band);
  border-left: 4px solid var(--accent); border-radius: 4px; }
.verdict p:first-child { font-weight: 600; font-size: 1.05rem; }
.controls label { min-width: 0; max-width: 100%; } select { min-width: 0; width: 14rem; }
.controls { display: flex; flex-wrap: wrap; gap: .6rem 1.4rem; align-items: center;
  margin: 1rem 0 .3rem; }
label { display: inline-flex; gap: .5rem; align-items: center; color: var(--soft); }
select, input, button { font: inherit; color: var(--ink); background: var(--ground);
  border: 1px solid var(--line); border-radius: 6px; padding: .25rem .5rem; max-width: 100%; }
input[type=range] { padding: 0; width: 11rem; accent-color: var(--accent); }
input[type=checkbox] { accent-color: var(--accent); }
button { cursor: pointer; } button:hover, select:hover { border-color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.stage { display: grid; grid-template-columns: minmax(0, 1fr) 20rem; gap: 1.2rem; }
#map { height: min(40rem, 78vh); min-width: 0; border: 1px solid var(--line); border-radius: 8px; }
#legend { display: flex; flex-wrap: wrap; gap: .3rem .5rem; margin: .5rem 0; }
#legend button { display: inline-flex; gap: .4rem; align-items: center; border-radius: 1rem;
  padding: .1rem .6rem; font-size: .87rem; }
#legend button[aria-pressed=false] { opacity: .4; text-decoration: line-through; }
#legend button { max-width: 100%; } #legend svg { flex: none; width: 14px; height: 14px; }
#legend span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
aside { min-width: 0; overflow-wrap: anywhere; } aside h2 { margin-top: 0; }
aside ul { padding-left: 1.1rem; margin: .4rem 0; } aside li { margin: .25rem 0; }
aside .near { display: flex; flex-direction: column; gap: .3rem; align-items: stretch; }
aside .near button { text-align: left; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text { max-width: 40rem; overflow-wrap: anywhere; } thead th { color: var(--soft); }
@media (max-width: 60rem) { .stage { grid-template-columns: minmax(0, 1fr); }
  body { padding: .8rem; } #map { height: 62vh; } }
"""

SCRIPT = """
'use strict';
const atlas = JSON.parse(document.getElementById('atlas').textContent);
const el = (id) => document.getElementById(id);
const P = atlas.points, users = atlas.users, few = users.length <= 300;
const gl = document.createElement('canvas').getContext('webgl') !== null;
const KIND = atlas.crowd && gl ? 'scattergl' : 'scatter';
const state = {colour: 0, step: atlas.steps - 1, picked: -1, hidden: new Set()};
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const make = (tag, text) => { const one = document.createElement(tag);
  if (text !== undefined) one.textContent = text; return one; };

function rowOf(user, step) {
  const rows = users[user].rows; let found = -1;
  for (const row of rows) if (P.step[row] <= step) found = row;
  return found;
}
let spots = [];
function aim() {
  return users.map((_, user) => { const row = rowOf(user, state.step);
    return row < 0 ? [null, null, row] : [P.x[row], P.y[row], row]; });
}
const colouring = () => atlas.colourings[state.colour];
function visible(row) {
  return row >= 0 && P.x[row] !== null &&
    !(colouring().kind === 'category' && state.hidden.has(colouring().values[row]));
}
function segments(pairs) {
  const x = [], y = [];
  for (const [a, b] of pairs) { x.push(a[0], b[0], null); y.push(a[1], b[1], null); }
  return {x, y};
}
function linkPairs() {
  const found = [];
  if (!el('links').checked) return found;
  const from = state.picked >= 0 ? [state.picked] : few ? users.map((_, user) => user) : [];
  for (const user of from) {
    const near = users[user].near.slice(0, state.picked >= 0 ? 9 : 1);
    for (const other of near)
      if (visible(spots[user][2]) && visible(spots[other][2]))
        found.push([spots[user], spots[other]]);
  }
  return found;
}
function trailPairs() {
  const found = [];
  const all = users.length <= 15;
  const from = state.picked >= 0 ? [state.picked] : all ? users.map((_, user) => user) : [];
  for (const user of from) {
    const rows = users[user].rows.filter((row) => P.step[row] <= state.step && P.x[row] !== null);
    if (!visible(spots[user][2])) continue;
    for (let i = 1; i < rows.length; i++) {
      const end = i === rows.length - 1 ? spots[user] : [P.x[rows[i]], P.y[rows[i]]];
      found.push([[P.x[rows[i - 1]], P.y[rows[i - 1]]], end]);
    }
  }
  return found;
}
function markers() {
  const by = colouring(), shown = [];
  users.forEach((_, user) => { if (visible(spots[user][2])) shown.push(user); });
  const rows = shown.map((user) => spots[user][2]);
  const marker = {size: rows.map((row) => P.size[row]), opacity: few ? 0.92 : 0.75,
    line: {width: few ? 1 : 0, color: css('--edge')}};
  if (by.kind === 'number') {
    Object.assign(marker, {color: rows.map((row) => by.values[row]), colorscale: 'Cividis',
      symbol: 'circle', colorbar: {thickness: 12, outlinewidth: 0,
        title: {text: by.safe_title}}});
  } else {
    marker.color = rows.map((row) => by.categories[by.values[row]].color);
    marker.symbol = rows.map((row) => by.categories[by.values[row]].mark);
  }
  return {type: KIND, mode: few && users.length <= 40 ? 'markers+text' : 'markers',
    x: shown.map((user) => spots[user][0]), y: shown.map((user) => spots[user][1]),
    text: shown.map((user) => users[user].safe_name), textposition: 'top center',
    textfont: {size: 12, color: css('--ink')}, cliponaxis: false,
    hovertext: rows.map((row) => P.hover[row]), hoverinfo: 'text', customdata: shown, marker};
}
function halo() {
  const on = state.picked >= 0 && visible(spots[state.picked][2]);
  return {type: KIND, mode: 'markers', hoverinfo: 'skip',
    x: on ? [spots[state.picked][0]] : [], y: on ? [spots[state.picked][1]] : [],
    marker: {size: on ? P.size[spots[state.picked][2]] + 12 : 10, color: 'rgba(0,0,0,0)',
      symbol: 'circle', line: {width: 2.5, color: css('--ink')}}};
}
function draw() {
  const line = (pairs, width, dash) => ({type: KIND, mode: 'lines', hoverinfo: 'skip',
    line: {width, dash, color: css(dash === 'dot' ? '--soft' : '--line')}, ...segments(pairs)});
  Plotly.react('map', [line(linkPairs(), state.picked >= 0 ? 2 : 1, 'solid'),
    line(trailPairs(), state.picked >= 0 ? 1.6 : 0.7, 'dot'), markers(), halo()], {
    margin: {l: 8, r: 8, t: 8, b: 8}, showlegend: false, dragmode: 'pan', hovermode: 'closest',
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', uirevision: 'keep',
    font: {color: css('--ink'), family: 'system-ui, sans-serif'},
    modebar: {bgcolor: 'rgba(0,0,0,0)', color: css('--soft'), activecolor: css('--ink')},
    hoverlabel: {align: 'left', bgcolor: css('--band'), bordercolor: css('--line'),
      font: {color: css('--ink'), size: 12}},
    xaxis: {visible: false, range: atlas.x_range, uirevision: 'keep'},
    yaxis: {visible: false, range: atlas.y_range, scaleanchor: 'x', uirevision: 'keep'},
  }, {responsive: true, scrollZoom: true, displaylogo: false,
    modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d']});
}
let moving = 0;
function move() {
  cancelAnimationFrame(moving);
  const goal = aim(), start = spots, begin = performance.now();
  const still = atlas.crowd || matchMedia('(prefers-reduced-motion: reduce)').matches;
  const frame = (now) => {
    const t = still ? 1 : Math.min(1, (now - begin) / 600), s = t * t * (3 - 2 * t);
    spots = goal.map(([x, y, row], user) => {
      const [a, b] = start[user];
      return x === null || a === null || t === 1 ? [x, y, row]
        : [a + (x - a) * s, b + (y - b) * s, row]; });
    draw();
    if (t < 1) moving = requestAnimationFrame(frame);
  };
  frame(performance.now());
  el('step-text').textContent = `${state.step + 1} of ${atlas.steps}`;
  panel();
}
const SHAPES = {circle: 'M7 2a5 5 0 1 0 0 10a5 5 0 1 0 0-10', square: 'M2.5 2.5h9v9h-9z',
  diamond: 'M7 1l6 6-6 6-6-6z', 'triangle-up': 'M7 2l5.5 10h-11z',
  cross: 'M5 2h4v3h3v4H9v3H5V9H2V5h3z', x: 'M3 1l4 4 4-4 2 2-4 4 4 4-2 2-4-4-4 4-2-2 4-4-4-4z',
  star: 'M7 1l1.8 4.2 4.5.4-3.4 3 1 4.4L7 10.6 3.1 13l1-4.4-3.4-3 4.5-.4z',
  hexagon: 'M7 1l5.2 3v6L7 13l-5.2-3V4z', 'circle-open': 'M7 2a5 5 0 1 0 0 10a5 5 0 1 0 0-10'};
function legend() {
  const box = el('legend'), by = colouring();
  box.replaceChildren();
  if (by.kind !== 'category') return;
  by.categories.forEach((category, number) => {
    const one = make('button'), svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    const open = category.mark.endsWith('-open');
    path.setAttribute('d', SHAPES[category.mark]);
    path.setAttribute('fill', open ? 'none' : category.color);
    path.setAttribute('stroke', category.color);
    svg.setAttribute('viewBox', '0 0 14 14'); svg.setAttribute('aria-hidden', 'true');
    svg.append(path);
    one.type = 'button';
    one.setAttribute('aria-pressed', String(!state.hidden.has(number)));
    one.append(svg, make('span', category.label));
    one.onclick = () => { state.hidden.has(number) ? state.hidden.delete(number)
      : state.hidden.add(number); legend(); draw(); };
    box.append(one);
  });
}
function panel() {
  const box = el('panel');
  box.replaceChildren();
  if (state.picked < 0) {
    box.append(make('h2', 'Pick a persona'), make('p', 'Hover over a point to see what is ' +
      'claimed of a user, click it to see its nearest neighbours and where it was before. ' +
      'Drag to move, scroll to zoom.'));
    return;
  }
  const user = users[state.picked], row = rowOf(state.picked, state.step);
  box.append(make('h2', user.name));
  if (row < 0) { box.append(make('p', 'No version yet.')); return; }
  const facts = make('p', `version ${P.step[row] + 1} of ${user.rows.length}, ` +
    `${P.evidence[row]} episodes behind it, ${P.group[row]}`);
  facts.className = 'soft';
  const list = make('ul');
  for (const claim of P.claims[row]) list.append(make('li', claim));
  if (P.more[row]) list.append(make('li', `and ${P.more[row]} more`));
  if (!P.claims[row].length) list.append(make('li', 'no claims yet'));
  box.append(facts, list);
  if (user.near.length) {
    const near = make('div'); near.className = 'near';
    for (const other of user.near) {
      const one = make('button', users[other].name);
      one.type = 'button'; one.onclick = () => pick(other); near.append(one);
    }
    box.append(make('h2', 'Nearest'), near);
  }
  const clear = make('button', 'Clear'); clear.type = 'button'; clear.onclick = () => pick(-1);
  clear.style.marginTop = '1rem'; box.append(clear);
}
function pick(user) { state.picked = user; panel(); draw(); }
function theme(dark) {
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  el('theme').textContent = dark ? 'Light' : 'Dark';
}
atlas.colourings.forEach((one, number) => {
  const option = make('option', one.title); option.value = number; el('colour').append(option); });
el('colour').onchange = () => { state.colour = Number(el('colour').value); state.hidden.clear();
  legend(); draw(); };
el('step').max = atlas.steps - 1; el('step').value = state.step;
el('step').oninput = () => { state.step = Number(el('step').value); move(); };
el('steps').hidden = atlas.steps < 2;
el('links').onchange = draw;
if (users.length <= 2000) users.forEach((user) => {
  const option = make('option'); option.value = user.name; el('names').append(option); });
el('find').onchange = () => { const wanted = el('find').value.trim().toLowerCase();
  if (wanted) pick(users.findIndex((user) => user.name.toLowerCase().includes(wanted))); };
el('theme').onclick = () => { theme(document.documentElement.dataset.theme !== 'dark'); draw(); };
const preferred = matchMedia('(prefers-color-scheme: dark)');
preferred.addEventListener('change', () => { theme(preferred.matches); draw(); });
theme(preferred.matches);
spots = aim(); legend(); move();
el('map').on('plotly_click', (event) => { const user = event.points[0].customdata;
  if (user !== undefined) pick(user); });
"""

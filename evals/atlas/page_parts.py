"""Style and script of the page around the map. Texts are set as text, never as HTML."""

STYLE = """
:root { --ink: #1c2024; --soft: #5b6570; --ground: #ffffff; --line: #d9dee3; --band: #f4f6f8;
  --accent: #0072B2; --edge: rgba(255,255,255,.7); --link: #b4bec8; }
:root[data-theme=dark] { --ink: #e4e8ec; --soft: #9aa5b1; --ground: #15181c; --line: #343b43;
  --band: #1d2227; --accent: #56B4E9; --edge: rgba(21,24,28,.7); --link: #55616d;
  color-scheme: dark; }
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
summary { cursor: pointer; color: var(--soft); }
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
#map { position: relative; height: min(40rem, 78vh); min-width: 0; overflow: hidden;
  border: 1px solid var(--line); border-radius: 8px; }
#map canvas { position: absolute; inset: 0; width: 100%; height: 100%; cursor: grab;
  touch-action: none; }
.ring { position: absolute; transform: translate(-50%, -50%); border: 1.5px solid var(--ink);
  border-radius: 50%; pointer-events: none; }
#tip { position: absolute; max-width: min(24rem, 90%); padding: .5rem .7rem; font-size: .82rem;
  line-height: 1.4; pointer-events: none; background: var(--band); border-radius: 6px;
  border: 1px solid var(--line); box-shadow: 0 2px 10px rgba(0,0,0,.18); }
#tip ul { margin: .25rem 0; padding-left: 1rem; }
.zoom { position: absolute; right: .5rem; top: .5rem; display: flex; flex-direction: column;
  gap: .3rem; }
.zoom button { width: 2.1rem; height: 2.1rem; padding: 0; }
.scale { display: inline-flex; align-items: center; gap: .5rem; color: var(--soft);
  font-size: .87rem; }
.scale i { width: 10rem; max-width: 40vw; height: .7rem; border-radius: 3px; }
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
const atlas = JSON.parse(document.getElementById('atlas').textContent);
const el = (id) => document.getElementById(id);
const P = atlas.points, users = atlas.users, few = users.length <= 300;
const state = {colour: 0, step: atlas.steps - 1, picked: -1, hidden: new Set()};
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const make = (tag, text) => { const one = document.createElement(tag);
  if (text !== undefined) one.textContent = text; return one; };
// Cividis: told apart with any colour vision, and in grey.
const CIVIDIS = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102],
  [254, 232, 56]];
const SHADES = 40;

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
function range(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) if (value !== null) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
function shade(share) {
  const at = Math.round(share * SHADES) / SHADES * (CIVIDIS.length - 1);
  const low = Math.min(Math.floor(at), CIVIDIS.length - 2);
  const mixed = CIVIDIS[low].map((one, i) => Math.round(one + (CIVIDIS[low + 1][i] - one) *
    (at - low)));
  return `rgb(${mixed.join(',')})`;
}
function looks() {
  const by = colouring();
  if (by.kind === 'category') return (row) => by.categories[by.values[row]];
  const [low, high] = range(by.values);
  return (row) => by.values[row] === null ? {color: '#8A9199', mark: 'circle-open'}
    : {color: shade(high > low ? (by.values[row] - low) / (high - low) : 0), mark: 'circle'};
}
function points() {
  const look = looks(), found = [];
  for (let user = 0; user < users.length; user++) {
    const [x, y, row] = spots[user];
    if (!visible(row)) continue;
    const {color, mark} = look(row);
    found.push({x, y, size: P.size[row], color, mark, user, sprite: null});
  }
  return found;
}
function draw() {
  const shown = points(), on = state.picked >= 0;
  const picked = on ? shown.find((point) => point.user === state.picked) || null : null;
  const named = users.length <= 40 ? shown : picked ? [picked] : [];
  map.show({points: shown, picked, names: named.map((point) => [point, users[point.user].label]),
    lines: [{pairs: linkPairs(), width: on ? 2 : 1, color: css('--link')},
      {pairs: trailPairs(), width: on ? 1.6 : 0.7, dash: true, color: css('--soft')}],
    ink: css('--ink'), ground: css('--ground'), edge: few ? css('--edge') : null,
    alpha: few ? 0.92 : 0.75});
}
let moving = 0;
function move() {
  cancelAnimationFrame(moving);
  const goal = aim(), start = spots, begin = performance.now();
  const still = atlas.crowd || matchMedia('(prefers-reduced-motion: reduce)').matches;
  const frame = (now) => {
    const t = still ? 1 : Math.min(1, Math.max(0, now - begin) / 600), s = t * t * (3 - 2 * t);
    spots = goal.map(([x, y, row], user) => {
      const [a, b] = start[user];
      return x === null || a === null || t === 1 ? [x, y, row]
        : [a + (x - a) * s, b + (y - b) * s, row]; });
    draw();
    if (t < 1) moving = requestAnimationFrame(frame);
  };
  frame(performance.now());
  legend();
  el('step-text').textContent = `${state.step + 1} of ${atlas.steps}`;
  panel();
}
function icon(category) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  const open = category.mark.endsWith('-open');
  path.setAttribute('d', SHAPES[category.mark]);
  path.setAttribute('fill', open ? 'none' : category.color);
  path.setAttribute('stroke', category.color);
  svg.setAttribute('viewBox', '0 0 14 14'); svg.setAttribute('aria-hidden', 'true');
  svg.append(path);
  return svg;
}
function legend() {
  const box = el('legend'), by = colouring();
  box.replaceChildren();
  if (by.kind !== 'category') {
    const [low, high] = range(by.values), bar = make('i'), one = make('span');
    bar.style.background = `linear-gradient(90deg, ${CIVIDIS.map((c) => `rgb(${c})`)})`;
    one.className = 'scale'; one.append(make('span', low), bar, make('span', high));
    box.append(one);
    return;
  }
  const counts = by.categories.map(() => 0);
  for (const [, , row] of spots)
    if (row >= 0 && P.x[row] !== null) counts[by.values[row]] += 1;
  by.categories.forEach((category, number) => {
    const one = make('button');
    one.type = 'button'; one.title = 'Hide or show';
    one.setAttribute('aria-pressed', String(!state.hidden.has(number)));
    one.append(icon(category), make('span', `${category.label} (${counts[number]})`));
    one.onclick = () => { state.hidden.has(number) ? state.hidden.delete(number)
      : state.hidden.add(number); legend(); draw(); };
    box.append(one);
  });
}
function describe(box, user, row) {
  const facts = make('div', `version ${P.step[row] + 1} of ${users[user].rows.length}, ` +
    `${P.evidence[row]} episodes behind it, ${P.group[row]}`);
  facts.className = 'soft';
  const list = make('ul');
  for (const claim of P.claims[row]) list.append(make('li', claim));
  if (P.more[row]) list.append(make('li', `and ${P.more[row]} more`));
  if (!P.claims[row].length) list.append(make('li', 'no claims yet'));
  box.append(facts, list);
}
function tell(tip, user) {
  tip.replaceChildren(make('b', users[user].name));
  describe(tip, user, spots[user][2]);
}
function panel() {
  const box = el('panel');
  box.replaceChildren();
  if (state.picked < 0) {
    box.append(make('h2', 'Pick a persona'), make('p', 'Hover over a point to see what is ' +
      'claimed of a user, click it to see its nearest neighbours and where it was before. ' +
      'Drag to move, scroll or pinch to zoom.'));
    return;
  }
  const user = users[state.picked], row = rowOf(state.picked, state.step);
  box.append(make('h2', user.name));
  if (row < 0) box.append(make('p', 'No version yet.'));
  else describe(box, state.picked, row);
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
const map = createMap(el('map'), el('tip'), {x: atlas.x_range, y: atlas.y_range, pick, tell});
el('zoom-in').onclick = () => map.zoom(1.5);
el('zoom-out').onclick = () => map.zoom(1 / 1.5);
el('zoom-all').onclick = () => map.reset();
spots = aim(); move();
"""

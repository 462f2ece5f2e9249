"""The page's map: points on a canvas, moved by pointer, wheel, touch and keys.

A canvas instead of a plotting library, since it has to stay fluid with 10,000 points where no
graphics card helps: each look of a point is painted once and then copied, and what is off the
screen is passed over. Texts are drawn or set as text, never as HTML.
"""

MAP = """
'use strict';
const SHAPES = {circle: 'M7 2a5 5 0 1 0 0 10a5 5 0 1 0 0-10', square: 'M2.5 2.5h9v9h-9z',
  diamond: 'M7 1l6 6-6 6-6-6z', 'triangle-up': 'M7 2l5.5 10h-11z',
  cross: 'M5 2h4v3h3v4H9v3H5V9H2V5h3z', x: 'M3 1l4 4 4-4 2 2-4 4 4 4-2 2-4-4-4 4-2-2 4-4-4-4z',
  star: 'M7 1l1.8 4.2 4.5.4-3.4 3 1 4.4L7 10.6 3.1 13l1-4.4-3.4-3 4.5-.4z',
  hexagon: 'M7 1l5.2 3v6L7 13l-5.2-3V4z', 'circle-open': 'M7 2a5 5 0 1 0 0 10a5 5 0 1 0 0-10'};
const paths = {};
for (const mark in SHAPES) paths[mark] = new Path2D(SHAPES[mark]);

function createMap(box, tip, hooks) {
  const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
  const ring = document.createElement('div');
  ring.className = 'ring'; ring.hidden = true;
  box.prepend(canvas, ring);
  // What is drawn: points {x, y, size, color, mark, user}, lines [{pairs, width, dash, color}].
  let scene = {points: [], lines: [], names: [], picked: null, ink: '#000', edge: null};
  let width = 0, height = 0, dots = 1, full = null, view = null, waiting = 0, hovered = null;
  const sprites = new Map();

  function fit() {
    const spanX = hooks.x[1] - hooks.x[0], spanY = hooks.y[1] - hooks.y[0];
    const scale = Math.min(width / spanX, height / spanY);
    full = {x: (hooks.x[0] + hooks.x[1]) / 2, y: (hooks.y[0] + hooks.y[1]) / 2, scale};
    view = {...full};
  }
  const right = (x) => (x - view.x) * view.scale + width / 2;
  const down = (y) => (view.y - y) * view.scale + height / 2;

  function sprite(point) {
    const key = `${point.color} ${point.mark} ${point.size}`;
    let found = sprites.get(key);
    if (found) return found;
    const room = point.size + 4, open = point.mark.endsWith('-open');
    found = document.createElement('canvas');
    found.width = found.height = Math.ceil(room * dots);
    const brush = found.getContext('2d'), grow = point.size / 10 * dots;
    brush.translate(found.width / 2, found.height / 2);
    brush.scale(grow, grow);
    brush.translate(-7, -7);
    brush.globalAlpha = scene.alpha;
    if (scene.edge && !open) {
      brush.strokeStyle = scene.edge; brush.lineWidth = 20 / point.size;
      brush.stroke(paths[point.mark]);
    }
    if (open) { brush.strokeStyle = point.color; brush.lineWidth = 1.6;
      brush.stroke(paths[point.mark]);
    } else { brush.fillStyle = point.color; brush.fill(paths[point.mark]); }
    sprites.set(key, found);
    return found;
  }
  function paint() {
    waiting = 0;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    for (const one of scene.lines) {
      pen.setTransform(dots, 0, 0, dots, 0, 0);
      pen.beginPath();
      pen.setLineDash(one.dash ? [2, 4] : []);
      pen.lineWidth = one.width; pen.strokeStyle = one.color;
      for (const [a, b] of one.pairs) {
        pen.moveTo(right(a[0]), down(a[1])); pen.lineTo(right(b[0]), down(b[1]));
      }
      pen.stroke();
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    for (const point of scene.points) {
      const x = right(point.x), y = down(point.y);
      if (x < -20 || y < -20 || x > width + 20 || y > height + 20) continue;
      const drawn = point.sprite || (point.sprite = sprite(point));
      pen.drawImage(drawn, Math.round(x * dots - drawn.width / 2),
        Math.round(y * dots - drawn.height / 2));
    }
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    if (scene.picked) {
      const {x, y, size} = scene.picked;
      pen.beginPath(); pen.setLineDash([]);
      pen.lineWidth = 2.5; pen.strokeStyle = scene.ink;
      pen.arc(right(x), down(y), size / 2 + 4, 0, 7); pen.stroke();
    }
    names();
  }
  function names() {
    pen.font = '12px system-ui, sans-serif'; pen.textAlign = 'center'; pen.lineJoin = 'round';
    const taken = [];
    for (const [point, name] of scene.names) {
      const x = right(point.x), y = down(point.y) - point.size / 2 - 6;
      const half = pen.measureText(name).width / 2 + 2;
      const at = Math.min(Math.max(x, half + 2), width - half - 2);
      if (y < 10 || y > height || x < 0 || x > width) continue;
      // A name that would cover another one is left to hovering.
      if (point !== scene.picked && taken.some(([left, top, other]) =>
        Math.abs(left - at) < half + other && Math.abs(top - y) < 14)) continue;
      taken.push([at, y, half]);
      pen.lineWidth = 3; pen.strokeStyle = scene.ground; pen.setLineDash([]);
      pen.strokeText(name, at, y);
      pen.fillStyle = scene.ink; pen.fillText(name, at, y);
    }
  }
  const draw = () => { if (!waiting) waiting = requestAnimationFrame(paint); };

  function nearest(x, y, most) {
    let found = null, best = most * most;
    for (const point of scene.points) {
      const dx = right(point.x) - x, dy = down(point.y) - y, away = dx * dx + dy * dy;
      if (away <= best) { best = away; found = point; }
    }
    return found;
  }
  function hover(x, y) {
    const found = x === null ? null : nearest(x, y, 14);
    if (found !== hovered) {
      hovered = found;
      tip.hidden = ring.hidden = !found;
      if (found) hooks.tell(tip, found.user);
      canvas.style.cursor = found ? 'pointer' : 'grab';
    }
    if (!found) return;
    const at = [right(found.x), down(found.y)];
    ring.style.width = ring.style.height = `${found.size + 8}px`;
    ring.style.left = `${at[0]}px`; ring.style.top = `${at[1]}px`;
    const left = at[0] + 14 + tip.offsetWidth > width ? at[0] - 14 - tip.offsetWidth : at[0] + 14;
    tip.style.left = `${Math.max(4, Math.min(left, width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(4, Math.min(at[1] - 12, height - tip.offsetHeight - 4))}px`;
  }
  function zoom(by, x = width / 2, y = height / 2) {
    const scale = Math.min(Math.max(view.scale * by, full.scale / 2), full.scale * 200);
    const dataX = view.x + (x - width / 2) / view.scale;
    const dataY = view.y - (y - height / 2) / view.scale;
    view = {x: dataX - (x - width / 2) / scale, y: dataY + (y - height / 2) / scale, scale};
    draw();
  }
  function pan(dx, dy) { view.x -= dx / view.scale; view.y += dy / view.scale; draw(); }

  const fingers = new Map();
  let moved = 0;
  const place = (event) => { const at = canvas.getBoundingClientRect();
    return [event.clientX - at.left, event.clientY - at.top]; };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event)); moved = 0;
  };
  canvas.onpointermove = (event) => {
    const [x, y] = place(event), last = fingers.get(event.pointerId);
    if (!last) { hover(x, y); return; }
    fingers.set(event.pointerId, [x, y]);
    const others = [...fingers].filter(([finger]) => finger !== event.pointerId);
    moved += Math.hypot(x - last[0], y - last[1]);
    if (moved > 4) hover(null);
    if (!others.length) { pan(x - last[0], y - last[1]); return; }
    const [other] = others[0].slice(1);
    const was = Math.hypot(last[0] - other[0], last[1] - other[1]) || 1;
    zoom(Math.hypot(x - other[0], y - other[1]) / was, (x + other[0]) / 2, (y + other[1]) / 2);
  };
  const lift = (event) => {
    const tapped = fingers.delete(event.pointerId) && moved <= 4 && event.type === 'pointerup';
    if (!tapped) return;
    const found = nearest(...place(event), event.pointerType === 'touch' ? 24 : 14);
    if (found) hooks.pick(found.user);
  };
  canvas.onpointerup = canvas.onpointercancel = lift;
  canvas.onpointerleave = () => hover(null);
  canvas.addEventListener('wheel', (event) => {
    event.preventDefault(); hover(null);
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0022)), ...place(event));
  }, {passive: false});
  canvas.ondblclick = (event) => zoom(2, ...place(event));
  canvas.tabIndex = 0;
  canvas.onkeydown = (event) => {
    const act = {'+': () => zoom(1.4), '=': () => zoom(1.4), '-': () => zoom(1 / 1.4),
      '0': reset, ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0),
      ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60)}[event.key];
    if (act) { event.preventDefault(); act(); }
  };
  function reset() { fit(); draw(); }
  function resize() {
    const kept = full && view && {x: view.x, y: view.y, by: view.scale / full.scale};
    width = box.clientWidth; height = box.clientHeight; dots = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * dots); canvas.height = Math.round(height * dots);
    sprites.clear();
    for (const point of scene.points) point.sprite = null;
    fit();
    if (kept) view = {x: kept.x, y: kept.y, scale: full.scale * kept.by};
    paint();
  }
  new ResizeObserver(resize).observe(box);
  resize();
  return {
    show(next) {
      if (next.edge !== scene.edge || next.alpha !== scene.alpha) sprites.clear();
      scene = next; hovered = null; tip.hidden = ring.hidden = true; draw();
    },
    zoom, reset,
    where: (point) => [right(point.x), down(point.y)],
    points: () => scene.points,
  };
}
"""

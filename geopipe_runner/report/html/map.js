"use strict";
// The map: Bokeh draws, pans and zooms; this decides what is drawn at which zoom, and in which of the page's colors.
(() => {
  const RADIUS = 6371000; // of the Earth, in meters, the unit of all positions here
  const CLOSEST = 5; // meters on one pixel
  const ALONE = 4000; // so many points in view are drawn one by one; of more, nearby points become groups
  const CELL = 12; // a group gathers points at least this near to each other, in pixels
  const DOT = 8; // pixels across
  const SMALL = 5; // the same for a group of one
  const REACH = 6; // the pointer is on a point this far from its edge, in pixels
  const MARKERS = ["triangle", "diamond", "square", "inverted_triangle"];
  const WEIGHTS = { circle: 1, triangle: 1.35, diamond: 1.5, square: 1.05, inverted_triangle: 1.35 }; // so that all look alike large
  const SIGNS = {
    circle: "M1 6.5a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z", triangle: "M6.5 1L12.5 11.5H.5z",
    diamond: "M6.5 .5L11 6.5L6.5 12.5L2 6.5z", square: "M1.5 1.5H11.5V11.5H1.5z", inverted_triangle: "M6.5 12L.5 1.5H12.5z",
  };

  const data = JSON.parse(document.getElementById("map-data").textContent);
  const box = document.getElementById("map");
  const tip = document.getElementById("map-tip");
  const drawnLine = document.getElementById("map-drawn");

  // Patterson's cylindrical projection: the whole world to the poles, and towns that keep their shape when near.
  const eastOf = (longitude) => (RADIUS * longitude * Math.PI) / 180;
  const northOf = (latitude) => {
    const angle = (latitude * Math.PI) / 180;
    const square = angle * angle;
    return RADIUS * angle * (1.0148 + square * square * (0.23185 + square * (-0.14499 + square * 0.02406)));
  };
  const WORLD = { x: eastOf(180), y: northOf(90) }; // it reaches as far to the other side of zero
  const east = Float64Array.from(data.longitude, eastOf);
  const north = Float64Array.from(data.latitude, northOf);
  const colors = getComputedStyle(document.documentElement);
  const color = (name) => colors.getPropertyValue(name).trim();

  function land() {
    const xs = [];
    const ys = [];
    for (const polygon of data.world) {
      const rings = polygon.map((ring) => {
        const x = [];
        const y = [];
        let longitude = 0;
        let latitude = 0;
        for (let at = 0; at < ring.length; at += 2) {
          longitude += ring[at];
          latitude += ring[at + 1];
          x.push(eastOf(longitude / 100));
          y.push(northOf(latitude / 100));
        }
        return [x, y];
      });
      xs.push([rings.map((ring) => ring[0])]);
      ys.push([rings.map((ring) => ring[1])]);
    }
    return { xs, ys };
  }

  const across = new Bokeh.Range1d({ start: -WORLD.x, end: WORLD.x });
  const upward = new Bokeh.Range1d({ start: -WORLD.y, end: WORLD.y });
  const wheel = new Bokeh.WheelZoomTool();
  const plot = Bokeh.Plotting.figure({
    x_range: across, y_range: upward, tools: [new Bokeh.PanTool(), wheel], toolbar_location: null,
    sizing_mode: "stretch_both", min_border: 0, outline_line_color: null, x_axis_type: null, y_axis_type: null,
    lod_threshold: null,
  });
  plot.toolbar.active_scroll = wheel;
  plot.xgrid.visible = false;
  plot.ygrid.visible = false;
  const countries = plot.multi_polygons({ ...land(), line_width: 0.6 });

  // One layer for each status, the good ones lowest so that they hide no other.
  let others = 0;
  const layers = data.statuses.map((status) => {
    const good = status === data.good;
    const marker = good ? "circle" : MARKERS[others % MARKERS.length];
    const name = good ? "--map-good" : `--map-${(others % 4) + 1}`;
    others += good ? 0 : 1;
    const source = new Bokeh.ColumnDataSource({ data: { x: [], y: [], size: [] } });
    const dots = plot.scatter({ x: { field: "x" }, y: { field: "y" }, size: { field: "size" }, marker, source, line_width: 0.8, fill_alpha: 0.8 });
    return { status, marker, name, weight: WEIGHTS[marker], source, dots, shown: true, drawn: [] };
  });

  function applyColors() {
    plot.background_fill_color = color("--map-sea");
    plot.border_fill_color = color("--map-sea");
    countries.glyph.setv({ fill_color: { value: color("--map-land") }, line_color: { value: color("--map-line") } });
    for (const layer of layers) {
      layer.dots.glyph.setv({ fill_color: { value: color(layer.name) }, line_color: { value: color("--card") } });
    }
  }

  // The view: its middle, and meters on one pixel.
  const size = () => ({ width: Math.max(box.clientWidth, 1), height: Math.max(box.clientHeight, 1) });
  const widest = () => 1.03 * Math.max((2 * WORLD.x) / size().width, (2 * WORLD.y) / size().height);
  const view = () => ({
    x: (across.start + across.end) / 2, y: (upward.start + upward.end) / 2, scale: (across.end - across.start) / size().width,
  });

  function show(x, y, scale) {
    const { width, height } = size();
    const kept = Math.max(CLOSEST, Math.min(widest(), scale));
    const inside = (at, half, edge) => (half >= edge ? 0 : Math.max(half - edge, Math.min(edge - half, at)));
    const halfWidth = (kept * width) / 2;
    const halfHeight = (kept * height) / 2;
    const middle = { x: inside(x, halfWidth, WORLD.x), y: inside(y, halfHeight, WORLD.y) };
    across.setv({ start: middle.x - halfWidth, end: middle.x + halfWidth });
    upward.setv({ start: middle.y - halfHeight, end: middle.y + halfHeight });
    refresh();
  }

  function fit() {
    let [west, south, eastmost, northmost] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let at = 0; at < east.length; at += 1) {
      west = Math.min(west, east[at]);
      eastmost = Math.max(eastmost, east[at]);
      south = Math.min(south, north[at]);
      northmost = Math.max(northmost, north[at]);
    }
    const { width, height } = size();
    const room = 48; // pixels left free around the points
    const scale = Math.max((eastmost - west) / (width - room), (northmost - south) / (height - room), 150);
    show((west + eastmost) / 2, (south + northmost) / 2, scale);
  }

  const zoom = (factor) => show(view().x, view().y, view().scale * factor);
  const move = (right, up) => show(view().x + right * view().scale, view().y + up * view().scale, view().scale);

  // What is in view, by status: each point, or groups of nearby points whose cells do not change as the map is moved.
  function inView() {
    const margin = 20 * view().scale;
    const found = layers.map(() => []);
    let number = 0;
    for (let at = 0; at < east.length; at += 1) {
      const layer = data.status[at];
      if (!layers[layer].shown) continue;
      if (east[at] < across.start - margin || east[at] > across.end + margin) continue;
      if (north[at] < upward.start - margin || north[at] > upward.end + margin) continue;
      found[layer].push(at);
      number += 1;
    }
    return { found, number };
  }

  const single = (at) => ({ x: east[at], y: north[at], size: DOT, number: 1, first: at });

  function grouped(points) {
    const cell = 2 ** Math.ceil(Math.log2(CELL * view().scale));
    const groups = new Map();
    for (const at of points) {
      const key = Math.floor((east[at] + WORLD.x) / cell) * 0x1000000 + Math.floor((north[at] + WORLD.y) / cell);
      const group = groups.get(key);
      if (group) {
        group.x += east[at];
        group.y += north[at];
        group.number += 1;
      } else {
        groups.set(key, single(at));
      }
    }
    return Array.from(groups.values(), (group) => ({
      ...group, x: group.x / group.number, y: group.y / group.number, size: Math.min(20, SMALL + 1.5 * Math.log2(group.number)),
    }));
  }

  function draw() {
    const { found, number } = inView();
    const together = number > ALONE;
    layers.forEach((layer, at) => {
      layer.drawn = together ? grouped(found[at]) : found[at].map(single);
      layer.source.data = {
        x: layer.drawn.map((dot) => dot.x), y: layer.drawn.map((dot) => dot.y), size: layer.drawn.map((dot) => dot.size * layer.weight),
      };
    });
    const drawn = layers.reduce((sum, layer) => sum + layer.drawn.length, 0);
    drawnLine.textContent = together
      ? `${number.toLocaleString("en")} in view, drawn as ${drawn.toLocaleString("en")} groups; zoom in to see each.` : "";
    box.dataset.drawn = String(drawn);
  }

  let waiting = false;
  function refresh() {
    tip.hidden = true;
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  // Bokeh's tools may leave the world or change one direction only; `show` puts that right.
  let settling = false;
  function moved() {
    if (settling) return;
    settling = true;
    queueMicrotask(() => {
      show(view().x, view().y, view().scale);
      settling = false;
    });
  }

  function under(x, y) {
    const { scale } = view();
    let best = null;
    let near = 0;
    for (const layer of layers) {
      for (const dot of layer.drawn) {
        const away = Math.hypot((dot.x - across.start) / scale - x, (upward.end - dot.y) / scale - y) - dot.size / 2;
        if (away > REACH) continue;
        near += dot.number;
        if (!best || away < best.away) best = { away, dot, layer };
      }
    }
    return best && { ...best, near };
  }

  function line(tag, text) {
    const element = document.createElement(tag);
    element.textContent = text;
    return element;
  }

  function describe({ dot, layer, near }) {
    if (dot.number > 1) return [line("b", `${dot.number.toLocaleString("en")} points`), line("span", `${layer.status} · zoom in to see each`)];
    const place = `${data.latitude[dot.first]}, ${data.longitude[dot.first]}`;
    const lines = [line("b", data.label[dot.first] || "No address"), line("span", `${layer.status} · ${place}`)];
    return near > 1 ? [...lines, line("span", `and ${(near - 1).toLocaleString("en")} more here`)] : lines;
  }

  function point(event) {
    const frame = box.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    const hit = under(x, y);
    tip.hidden = !hit;
    if (!hit) return;
    tip.replaceChildren(...describe(hit));
    tip.style.left = `${Math.max(6, Math.min(x + 14, frame.width - tip.offsetWidth - 6))}px`;
    const above = y - tip.offsetHeight - 12;
    tip.style.top = `${above > 6 ? above : y + 16}px`;
  }

  function legend() {
    const list = document.getElementById("map-legend");
    layers.forEach((layer, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      button.innerHTML = `<svg width="13" height="13" aria-hidden="true"><path d="${SIGNS[layer.marker]}" style="fill: var(${layer.name})"/></svg>`;
      button.append(line("span", `${layer.status} (${data.counts[at].toLocaleString("en")})`));
      button.addEventListener("click", () => {
        layer.shown = !layer.shown;
        button.setAttribute("aria-pressed", String(layer.shown));
        refresh();
      });
      list.append(button);
    });
  }

  const KEYS = {
    ArrowLeft: () => move(-80, 0), ArrowRight: () => move(80, 0), ArrowUp: () => move(0, 80), ArrowDown: () => move(0, -80),
    "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: fit,
  };
  const BUTTONS = { in: () => zoom(0.5), out: () => zoom(2), fit };

  function listen() {
    for (const range of [across, upward]) range.change.connect(moved);
    box.addEventListener("pointermove", point);
    box.addEventListener("pointerdown", point);
    box.addEventListener("pointerleave", () => { tip.hidden = true; });
    box.addEventListener("keydown", (event) => {
      if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      KEYS[event.key]();
    });
    for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", BUTTONS[button.dataset.zoom]);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyColors);
    new ResizeObserver(() => show(view().x, view().y, view().scale)).observe(box);
  }

  Bokeh.set_log_level("warn");
  applyColors();
  legend();
  fit();
  draw();
  listen();
  Bokeh.Plotting.show(plot, "#map").then(() => { box.dataset.ready = "yes"; });
})();

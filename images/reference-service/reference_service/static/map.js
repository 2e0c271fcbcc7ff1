// The map: layers by depth in the call graph, left to right on a desk, top to bottom on a phone. Plain SVG.

const SVG = "http://www.w3.org/2000/svg";
const GLYPH = { postgres: "P", nats: "N", qdrant: "Q" };
// A card's width and height, the pitch between layers and rows, in units of the view box.
const SHAPES = {
  wide: { across: true, width: 188, height: 88, layer: 248, row: 122, name: 17, small: 12.5 },
  tall: { across: false, width: 124, height: 82, layer: 122, row: 132, name: 14.5, small: 12.5 },
};

function make(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Show `text` and `rest`; of a text that is wider than `room` the middle is left out, as both ends of a tag tell most. */
function fit(element, text, rest, room) {
  element.textContent = text + rest;
  for (let kept = text.length - 1; kept > 4 && element.getComputedTextLength() > room; kept -= 1) {
    element.textContent = `${text.slice(0, Math.ceil(kept / 2))}…${text.slice(-Math.floor(kept / 2))}${rest}`;
  }
}

/** Longest way from a part that nobody calls: its layer. */
function layersOf(names, edges) {
  const depth = new Map(names.map((name) => [name, 0]));
  for (let pass = 0; pass < names.length; pass += 1) {
    for (const { from, to } of edges) {
      depth.set(to, Math.min(names.length, Math.max(depth.get(to), depth.get(from) + 1)));
    }
  }
  const layers = [];
  for (const name of names) (layers[depth.get(name)] ||= []).push(name);
  return layers.filter(Boolean);
}

export class PlatformMap {
  constructor(host, choose) {
    this.host = host;
    this.choose = choose;
    this.key = "";
    this.nodes = new Map();
    this.edges = new Map();
    this.narrow = matchMedia("(max-width: 760px)");
    this.narrow.addEventListener("change", () => this.last && this.update(...this.last));
  }

  /** Show these parts and edges; drawn anew only where the graph or the shape of the screen is another. */
  update(parts, edges) {
    this.last = [parts, edges];
    const names = Object.keys(parts).sort();
    const key = JSON.stringify([names, edges.map((edge) => `${edge.from}>${edge.to}`), this.narrow.matches]);
    if (key !== this.key) {
      this.key = key;
      this.draw(names, edges);
    }
    for (const name of names) this.paintNode(name, parts[name], edges);
    for (const edge of edges) {
      for (const element of this.edges.get(`${edge.from}>${edge.to}`)) element.dataset.up = String(edge.up);
    }
  }

  draw(names, edges) {
    const shape = this.narrow.matches ? SHAPES.tall : SHAPES.wide;
    const layers = layersOf(names, edges);
    const rows = Math.max(...layers.map((layer) => layer.length));
    const span = (rows - 1) * shape.row;
    this.shape = shape;
    this.place = new Map();
    layers.forEach((layer, depth) => {
      const start = (span - (layer.length - 1) * shape.row) / 2;
      layer.forEach((name, row) => {
        const along = depth * shape.layer;
        const beside = start + row * shape.row;
        this.place.set(name, { depth, x: shape.across ? along : beside, y: shape.across ? beside : along });
      });
    });
    const length = (layers.length - 1) * shape.layer;
    const [width, height] = shape.across
      ? [length + shape.width, span + shape.height]
      : [span + shape.width, length + shape.height];
    const svg = make("svg", {
      viewBox: `-4 -4 ${width + 8} ${height + 8}`,
      role: "group",
      "aria-label": "Parts of the platform and who calls whom",
    });
    this.edgeLayer = make("g");
    this.nodeLayer = make("g");
    this.pulseLayer = make("g");
    svg.append(this.edgeLayer, this.nodeLayer, this.pulseLayer);
    this.nodes.clear();
    this.edges.clear();
    for (const edge of edges) this.drawEdge(edge, layers);
    for (const layer of layers) for (const name of layer) this.drawNode(name);
    this.host.replaceChildren(svg);
  }

  drawEdge({ from, to }, layers) {
    const { across, width, height, row } = this.shape;
    const a = this.place.get(from);
    const b = this.place.get(to);
    const size = across ? [width, height] : [height, width]; // along, beside
    const point = (place, end) => {
      const [along, beside] = across ? [place.x, place.y] : [place.y, place.x];
      return [along + (end ? size[0] : 0), beside + size[1] / 2];
    };
    const pair = ([along, beside]) => (across ? `${along} ${beside}` : `${beside} ${along}`);
    const start = point(a, true);
    const end = point(b, false);
    end[0] -= 9; // room for the tip
    const bend = (p, q) => {
      const middle = (p[0] + q[0]) / 2;
      return `C${pair([middle, p[1]])} ${pair([middle, q[1]])} ${pair(q)}`;
    };
    let path = `M${pair(start)}`;
    let last = start;
    for (let depth = a.depth + 1; depth < b.depth; depth += 1) {
      // Past a layer in between: through the gap between two cards that is nearest to where it goes.
      const cards = layers[depth].map((name) => point(this.place.get(name), false)[1]);
      const gaps = [...cards.map((beside) => beside - row / 2), cards.at(-1) + row / 2];
      const gap = gaps.reduce((best, beside) => (Math.abs(beside - end[1]) < Math.abs(best - end[1]) ? beside : best));
      const entry = point(this.place.get(layers[depth][0]), false)[0];
      path += `${bend(last, [entry, gap])}L${pair([entry + size[0], gap])}`;
      last = [entry + size[0], gap];
    }
    path += bend(last, end);
    const line = make("path", { d: path, class: "edge" });
    const [x, y] = across ? end : [end[1], end[0]];
    const tip = make("path", {
      d: across ? `M${x - 1} ${y - 5}L${x + 8} ${y}L${x - 1} ${y + 5}Z` : `M${x - 5} ${y - 1}L${x} ${y + 8}L${x + 5} ${y - 1}Z`,
      class: "tip",
    });
    this.edgeLayer.append(line, tip);
    this.edges.set(`${from}>${to}`, [line, tip]);
  }

  drawNode(name) {
    const { width, height, name: large, small, across } = this.shape;
    const { x, y } = this.place.get(name);
    const pad = across ? 18 : 12;
    const group = make("g", { class: "node", tabindex: "0", role: "button", transform: `translate(${x} ${y})` });
    const text = (className, at, size, weight) => make("text", { class: className, x: pad, y: at, "font-size": size, "font-weight": weight });
    const lamp = across ? 26 : 41; // on a phone's card the first line is the name's alone
    const title = text("name", across ? 32 : 26, large, 650);
    const state = text("state", across ? 54 : 46, small, 600);
    const meta = text("soft", across ? 73 : 66, small, 400);
    const uses = make("g", { class: "uses" });
    group.append(
      make("rect", { class: "card", width, height, rx: across ? 16 : 13 }),
      make("rect", { class: "bar", x: 0, y: height * 0.24, width: 4, height: height * 0.52, rx: 2 }),
      make("circle", { class: "halo", cx: width - pad - 1, cy: lamp, r: across ? 9 : 6.5 }),
      make("circle", { class: "lamp", cx: width - pad - 1, cy: lamp, r: across ? 5 : 3.6 }),
      title,
      state,
      meta,
      uses,
    );
    title.textContent = name;
    group.dataset.part = name;
    group.addEventListener("click", () => this.choose(name));
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        this.choose(name);
      }
    });
    for (const [type, on] of [["pointerenter", true], ["focus", true], ["pointerleave", false], ["blur", false]]) {
      group.addEventListener(type, () => this.near(name, on));
    }
    this.nodeLayer.append(group);
    this.nodes.set(name, { group, state, meta, uses });
  }

  paintNode(name, report, edges) {
    const { group, state, meta, uses } = this.nodes.get(name);
    const { width, height, across } = this.shape;
    const latencies = edges.filter((edge) => edge.to === name && edge.up).map((edge) => edge.latency_ms);
    const quickest = latencies.length ? `${Math.min(...latencies).toFixed(0)} ms` : "";
    group.dataset.state = report.state;
    state.textContent = report.state + (report.state === "unknown" && report.last_seen_s !== undefined ? `, ${report.last_seen_s} s` : "");
    const [pad, pitch] = across ? [18, 15] : [12, 11];
    // On a desk the badges of the stores are in the line of the state, on a phone in that of the version.
    const badges = across ? 0 : (report.stores || []).length * pitch;
    const facts = across ? [report.version, quickest] : [quickest || report.version];
    const [first = "", ...rest] = facts.filter(Boolean);
    fit(meta, first, rest.map((fact) => `  ·  ${fact}`).join(""), width - 2 * pad - badges);
    group.setAttribute("aria-label", [name, report.state, ...(report.reasons || []), report.version, quickest].filter(Boolean).join(", "));
    const stores = (report.stores || []).map((store, index) => {
      const at = width - pad - 1 - index * pitch;
      const dot = make("g", {}, make("circle", { cx: at, cy: across ? 50 : height - 20, r: across ? 5.6 : 4 }), make("title"));
      dot.dataset.state = store.up ? "ready" : "down";
      dot.lastChild.textContent = `${store.name}: ${store.up ? "answers" : store.error}`;
      if (across) {
        const letter = make("text", { x: at, y: 52.6, "font-size": 7.5, "font-weight": 700, "text-anchor": "middle", class: "letter" });
        letter.textContent = GLYPH[store.name] || "";
        dot.append(letter);
      }
      return dot;
    });
    uses.replaceChildren(...stores);
  }

  /** Bring out a part's edges. */
  near(name, on) {
    for (const [key, elements] of this.edges) {
      if (key.split(">").includes(name)) for (const element of elements) element.classList.toggle("near", on);
    }
  }

  /** Bring out some parts, or none. */
  bringOut(names) {
    for (const [name, { group }] of this.nodes) group.classList.toggle("near", names.includes(name));
  }

  /** Send a dot along each hop in the order of the trace; resolves when the last has arrived. Times in ms. */
  async play(hops, milliseconds) {
    for (const elements of this.edges.values()) for (const element of elements) element.classList.remove("used");
    const total = Math.max(1, ...hops.map((hop) => hop.start_ms + hop.duration_ms));
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const travel = 420;
    await Promise.all(
      hops.map(async (hop) => {
        const elements = this.edges.get(`${hop.caller}>${hop.part}`);
        const target = this.nodes.get(hop.part);
        if (!still) await new Promise((done) => setTimeout(done, (hop.start_ms / total) * milliseconds));
        if (elements) {
          if (!still) await this.send(elements[0], hop.transport, travel);
          if (hop.ok) for (const element of elements) element.classList.add("used");
        }
        if (target && hop.ok && !still) {
          target.group.classList.add("flash");
          setTimeout(() => target.group.classList.remove("flash"), 500);
        }
      }),
    );
  }

  send(line, transport, milliseconds) {
    const dot = make("circle", { class: `pulse ${transport}`, r: this.shape.across ? 5 : 4 });
    this.pulseLayer.append(dot);
    const length = line.getTotalLength();
    return new Promise((done) => {
      const began = performance.now();
      const step = (now) => {
        const share = Math.min(1, Math.max(0, (now - began) / milliseconds));
        const at = line.getPointAtLength(length * (1 - (1 - share) ** 2));
        dot.setAttribute("cx", at.x);
        dot.setAttribute("cy", at.y);
        if (share < 1) return requestAnimationFrame(step);
        dot.remove();
        return done();
      };
      requestAnimationFrame(step);
      // A hidden tab draws no frames: the trace goes on all the same.
      setTimeout(() => (dot.remove(), done()), milliseconds * 3);
    });
  }
}

// The trace of a round trip as a waterfall, and a part's details.

/** An HTML element; text is always set as text. */
export function element(name, properties = {}, ...children) {
  const { data, ...rest } = properties;
  const made = Object.assign(document.createElement(name), rest);
  Object.assign(made.dataset, data);
  made.append(...children);
  return made;
}

export const milliseconds = (value) => (value < 10 ? value.toFixed(1) : value.toFixed(0));

export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 129_600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

export function drawTrace(list, run) {
  const total = Math.max(1, run.duration_ms);
  const rows = run.hops.map((hop) => {
    const bar = element("i");
    bar.style.setProperty("left", `${Math.min(99, (hop.start_ms / total) * 100)}%`);
    bar.style.setProperty("width", `${Math.min(100, (hop.duration_ms / total) * 100)}%`);
    const who = element("span", { className: "who" }, element("span", { textContent: `${hop.caller} → ` }), element("b", { textContent: hop.part }));
    const row = element(
      "li",
      { className: hop.ok ? "" : "failed", data: { transport: hop.transport } },
      who,
      element("span", { className: "badge", textContent: hop.transport }),
      element("span", { className: "track" }, bar),
      element("span", { className: "ms", textContent: `${milliseconds(hop.duration_ms)} ms` }),
    );
    if (hop.touched.length) {
      const touched = hop.touched.map((touch) =>
        element("span", { textContent: touch.ok ? `${touch.what} · ${milliseconds(touch.duration_ms)} ms` : `${touch.store}: ${touch.error}` }),
      );
      row.append(element("span", { className: "touched" }, ...touched));
    }
    if (!hop.ok) row.append(element("span", { className: "problem", textContent: hop.error || "failed" }));
    return row;
  });
  list.replaceChildren(...rows);
}

export function drawDetails(dialog, name, report, edges) {
  const facts = [];
  const fact = (term, ...values) => {
    const shown = values.filter((value) => value !== undefined && value !== null && value !== "");
    if (shown.length) facts.push(element("dt", { textContent: term }), element("dd", {}, ...shown.map((value) => element("div", { textContent: value }))));
  };
  fact("State", report.state);
  fact("Why", ...(report.reasons || []));
  fact("Version", report.version);
  fact("Pod", report.pod);
  fact("Node", report.node);
  fact("Up for", report.uptime_s === undefined ? "" : duration(report.uptime_s));
  fact("Being answered", report.in_flight);
  fact("Last seen", report.last_seen_s === undefined ? "" : `${duration(report.last_seen_s)} ago`);
  const line = (other, edge) => `${other}: ${edge.up ? `${milliseconds(edge.latency_ms)} ms` : edge.error || "not known"}`;
  fact("Calls", ...edges.filter((edge) => edge.from === name).map((edge) => line(edge.to, edge)));
  fact("Called by", ...edges.filter((edge) => edge.to === name).map((edge) => line(edge.from, edge)));
  fact("Stores", ...(report.stores || []).map((store) => `${store.name}: ${store.up ? `${milliseconds(store.latency_ms)} ms` : store.error}`));
  fact("Credentials", ...Object.entries(report.credentials || {}).map(([key, there]) => `${key}: ${there ? "present" : "missing"}`));
  const close = element("button", { className: "close", type: "button", textContent: "×", ariaLabel: "Close", onclick: () => dialog.close() });
  dialog.replaceChildren(
    element(
      "header",
      {},
      element("h2", { id: "details-title", data: { state: report.state } }, element("span", { className: "dot" }), name),
      close,
    ),
    element("dl", {}, ...facts),
  );
}

"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  // Pictures that the page shows before anything of it runs stand in it once: as those.
  for (const image of document.querySelectorAll("#pictures > img")) {
    data.sets[0].views[Number(image.dataset.view)].truth.image = image.src;
  }
  const AGENT_COLOURS = ["#d1495b", "#2e78b7", "#edae49", "#3a9d6b", "#8e5ea2", "#00798c", "#c46b2d", "#5d6873"];
  const SHARES = [1 / 128, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1];
  const TITLES = { image: "picture", depth: "depth", mask: "mask", ratio: "predicted / true depth" };
  const LABEL_PX = 22, GAP_PX = 10, STEPS = 32767;
  const state = { set: 0, camera: "", agents: new Set(), poses: data.poseSource, depth: "gt", paint: "picture" };
  state.depth = data.hasPrediction ? "pred" : "gt";

  // What can be chosen.
  const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
  const view = () => data.sets[state.set].views;
  const cloud = (one) => allClouds()[state.set][view().indexOf(one)][state.depth];
  const unique = (values) => [...new Set(values)];
  const colourOf = (agent) => AGENT_COLOURS[unique(view().map((one) => one.agent)).indexOf(agent) % AGENT_COLOURS.length];

  function button(type, name, value, text, checked, change) {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type, name, value, checked });
    input.addEventListener("change", () => change(input));
    label.append(input, ` ${text}`);
    return label;
  }

  function fillChoices() {
    const agents = unique(view().map((one) => one.agent)), cameras = unique(view().map((one) => one.camera));
    state.agents = new Set(agents);
    if (!cameras.includes(state.camera)) state.camera = cameras[0];
    at("camera").replaceChildren(...cameras.map((name) => option(name, name)));
    at("camera").value = state.camera;
    const boxes = agents.map((name) => button("checkbox", "agent", name, name, true, (input) => {
      if (input.checked) state.agents.add(name); else state.agents.delete(name);
      drawPictures();
      whenRead(drawCloud);
    }));
    boxes.forEach((box, place) => { box.style.borderBottom = `3px solid ${colourOf(agents[place])}`; });
    at("agents").replaceChildren(at("agents").querySelector("legend"), ...boxes);
  }

  function fillCloudChoices() {
    const sources = data.hasPrediction ? [["gt", "truth"], ["pred", "prediction"]] : [["gt", "truth"]];
    for (const [id, key] of [["poses", "poses"], ["depths", "depth"]]) {
      at(id).append(...sources.map(([value, text]) =>
        button("radio", key, value, text, state[key] === value, (input) => { state[key] = input.value; whenRead(drawCloud); })));
    }
    at("paint").append(...[["picture", "picture"], ["agent", "agent"]].map(([value, text]) =>
      button("radio", "paint", value, text, state.paint === value, (input) => { state.paint = input.value; whenRead(drawCloud); })));
    at("share").addEventListener("input", () => whenRead(drawCloud));
  }

  function fillScales() {
    const scale = (name, colours, low, high) => {
      const span = document.createElement("span"), bar = document.createElement("i");
      span.className = "scale";
      bar.style.background = `linear-gradient(to right, ${colours.filter((_, n) => n % 8 === 0).join(",")})`;
      span.append(`${name}: ${low}`, bar, high);
      return span;
    };
    at("scales").append(scale("depth", data.depthColours, `${data.nearM} m`, `${data.farM} m, equal steps of its logarithm`));
    if (data.hasPrediction) {
      at("scales").append(scale("predicted / true", data.ratioColours, `1/${data.ratioMost}`, `${data.ratioMost}`));
    }
  }

  // Pictures: a row of three for each agent, a second one for its prediction.
  function panels() {
    const rows = [];
    for (const one of view()) {
      if (one.camera !== state.camera || !state.agents.has(one.agent)) continue;
      const name = `agent ${one.agent}`;
      const sparse = (side) => (side.sparse ? ", sparse: points drawn 3 px wide" : "");
      rows.push([["image", name], ["depth", `${name}, truth${sparse(one.truth)}`], ["mask", `${name}, truth`]]
        .map(([kind, whose]) => ({ one, kind, whose, source: one.truth[kind] })));
      if (one.prediction) {
        rows.push([["ratio", name], ["depth", `${name}, prediction${sparse(one.prediction)}`], ["mask", `${name}, prediction`]]
          .map(([kind, whose]) => ({ one, kind, whose, source: one.prediction[kind] })));
      }
    }
    return rows;
  }

  function drawPictures() {
    const rows = panels(), width = Math.max(at("pictures").clientWidth, 300);
    const side = (width - 2 * GAP_PX) / 3;
    const heights = rows.map((row) => (side * row[0].one.size[1]) / row[0].one.size[0]);
    const height = Math.max(heights.reduce((sum, one) => sum + one + LABEL_PX, 0), LABEL_PX);
    const layout = { width, height, margin: { l: 0, r: 0, t: 0, b: 0 }, annotations: [], dragmode: "zoom",
      showlegend: false, hovermode: "closest", plot_bgcolor: "#eceef1" };
    const traces = [], first = {};
    let top = 0;
    rows.forEach((row, place) => {
      top += LABEL_PX;
      row.forEach((panel, column) => {
        const number = traces.length + 1, [w, h] = panel.one.size, tail = number === 1 ? "" : number;
        const left = (column * (side + GAP_PX)) / width;
        const size = `${w}x${h}`;
        const linked = first[size] === undefined ? {} : { matches: `x${first[size]}` };
        // An axis that follows another one has its scale from there.
        const linkedY = first[size] === undefined ? { scaleanchor: `x${tail}` } : { matches: `y${first[size]}`, scaleanchor: false };
        if (first[size] === undefined) first[size] = tail;
        // A zoom belongs to pictures of a size, whoever is shown.
        const plain = { showgrid: false, zeroline: false, showticklabels: false, ticks: "", uirevision: size };
        layout[`xaxis${tail}`] = { ...plain, ...linked, domain: [left, Math.min(left + side / width, 1)],
          anchor: `y${tail}`, range: [-0.5, w - 0.5] };
        layout[`yaxis${tail}`] = { ...plain, ...linkedY, anchor: `x${tail}`, range: [h - 0.5, -0.5],
          domain: [Math.max(1 - (top + heights[place]) / height, 0), 1 - top / height] };
        layout.annotations.push({ text: `${TITLES[panel.kind]} · ${escapeText(panel.whose)}`, showarrow: false, x: left,
          y: 1 - top / height, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom",
          font: { size: 12, color: "#5d6873" } });
        const axes = { xaxis: `x${tail}`, yaxis: `y${tail}` };
        if (panel.source) {
          // A smaller picture stands where the large one would: each of its pixels is `step` wide.
          const grid = { x0: (data.step - 1) / 2, y0: (data.step - 1) / 2, dx: data.step, dy: data.step };
          traces.push({ type: "image", source: panel.source, ...grid, ...axes, hoverinfo: "none",
            meta: { kind: panel.kind, whose: panel.whose, size: [w, h] } });
        } else {
          const domain = layout[`yaxis${tail}`].domain;
          traces.push({ type: "scatter", x: [], y: [], ...axes });
          layout.annotations.push({ text: "not there", showarrow: false, x: left + side / width / 2,
            y: (domain[0] + domain[1]) / 2, xref: "paper", yref: "paper", font: { size: 13, color: "#5d6873" } });
        }
      });
      top += heights[place];
    });
    at("pictures").querySelectorAll(":scope > img").forEach((image) => image.remove());
    return Plotly.react("pictures", traces, layout, { displaylogo: false, responsive: false });
  }

  // plotly reads a part of HTML in its texts, and %{...} as the name of a value.
  function escapeText(text) {
    return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/%\{/g, "%&#123;");
  }

  const colourSteps = (colours) => new Map(colours.map((colour, step) => [colour, step]));
  const depthStep = colourSteps(data.depthColours), ratioStep = colourSteps(data.ratioColours);

  function tellPixel(event) {
    const { x: column, y: row, color, data: trace } = event.points[0];
    if (!trace.meta) return;
    const { kind, whose, size } = trace.meta;
    // Of an even step the middle lies between two pixels: the first of them is the one that is shown.
    const [x, y] = [column, row].map((place, axis) => Math.min(Math.floor(place), size[axis] - 1));
    let text = `${whose}: pixel ${x}, ${y}`;
    if (color && (kind === "depth" || kind === "ratio")) {
      const colour = `#${Array.from(color).slice(0, 3).map((value) => value.toString(16).padStart(2, "0")).join("")}`;
      const steps = kind === "depth" ? depthStep : ratioStep, last = data.depthColours.length - 1;
      if (!steps.has(colour)) text += `, no ${kind === "depth" ? "depth" : "pair of depths"}`;
      else if (kind === "depth") text += `, about ${(data.nearM * (data.farM / data.nearM) ** (steps.get(colour) / last)).toPrecision(3)} m`;
      else text += `, about ${(data.ratioMost ** (2 * (steps.get(colour) / last) - 1)).toPrecision(3)} times as far as it truly is`;
    }
    at("pixel").textContent = text;
  }

  // Points: those of each camera are placed by the pose that is chosen.
  const decoded = new WeakMap();
  const allClouds = () => {
    allClouds.read = allClouds.read || JSON.parse(at("clouds").textContent);
    return allClouds.read;
  };
  function bytes(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  }
  function decode(one) {
    if (!decoded.has(one)) {
      decoded.set(one, { points: new Int16Array(bytes(one.points)), colours: new Uint16Array(bytes(one.colours)) });
    }
    return decoded.get(one);
  }
  // The world's y is down; on the page up is up: (x, z, -y) is right-handed as well.
  const place = (m, x, y, z) => [
    m[0] * x + m[1] * y + m[2] * z + m[3],
    m[8] * x + m[9] * y + m[10] * z + m[11],
    -(m[4] * x + m[5] * y + m[6] * z + m[7]),
  ];
  const PICTURE_COLOURS = Array.from({ length: 4096 }, (_, code) => {
    const channel = (shift) => ((code >> shift) & 15) * 17;
    return [code / 4095, `rgb(${channel(8)},${channel(4)},${channel(0)})`];
  });

  function pointTrace(agent, views, share) {
    const chosen = views.filter((one) => cloud(one) && one.poses[state.poses]);
    const counts = chosen.map((one) => Math.ceil(cloud(one).count * share));
    const total = counts.reduce((sum, one) => sum + one, 0);
    const [x, y, z] = [0, 1, 2].map(() => new Float32Array(total));
    const codes = new Uint16Array(total);
    let next = 0;
    chosen.forEach((one, number) => {
      const { points, colours } = decode(cloud(one)), pose = one.poses[state.poses], step = data.farM / STEPS;
      for (let n = 0; n < counts[number]; n += 1, next += 1) {
        [x[next], y[next], z[next]] = place(pose, points[3 * n] * step, points[3 * n + 1] * step, points[3 * n + 2] * step);
        codes[next] = colours[n];
      }
    });
    const paint = state.paint === "agent" ? { color: colourOf(agent) }
      : { color: codes, colorscale: PICTURE_COLOURS, cmin: 0, cmax: 4095, showscale: false };
    return { type: "scatter3d", mode: "markers", name: `points of ${escapeText(agent)}`, x, y, z, hoverinfo: "skip", showlegend: false,
      marker: { size: 2, opacity: 1, line: { width: 0 }, ...paint } };
  }

  function outlineTrace(agent, views, source) {
    const [x, y, z] = [[], [], []], chosen = views.filter((one) => one.poses[source]);
    for (const one of chosen) {
      for (const line of one.outline) {
        for (const point of line) {
          const [a, b, c] = place(one.poses[source], ...point);
          x.push(a); y.push(b); z.push(c);
        }
        x.push(null); y.push(null); z.push(null);
      }
    }
    const shown = source === state.poses;
    return { type: "scatter3d", mode: "lines", name: `agent ${escapeText(agent)}, ${source === "gt" ? "true" : "predicted"} cameras`,
      x, y, z, hovertemplate: "%{x:.2f}, %{y:.2f}, %{z:.2f}<extra>%{fullData.name}</extra>",
      line: { color: shown ? colourOf(agent) : "#9aa3ad", width: shown ? 5 : 3 } };
  }

  function drawCloud() {
    const share = SHARES[Number(at("share").value)], traces = [];
    let shown = 0, whole = 0;
    for (const agent of unique(view().map((one) => one.agent))) {
      if (!state.agents.has(agent)) continue;
      const views = view().filter((one) => one.agent === agent);
      const points = pointTrace(agent, views, share);
      shown += points.x.length;
      whole += views.reduce((sum, one) => sum + (cloud(one) ? cloud(one).of : 0), 0);
      traces.push(points, outlineTrace(agent, views, "gt"));
      if (data.hasPrediction) traces.push(outlineTrace(agent, views, "pred"));
    }
    at("shown").textContent = `${shown.toLocaleString("en")} of ${whole.toLocaleString("en")}`;
    const axis = (text) => ({ title: { text }, backgroundcolor: "#f5f6f8", showbackground: true, gridcolor: "#dfe3e8" });
    const layout = { height: Math.max(Math.min(680, Math.round(innerHeight * 0.75)), 360), margin: { l: 0, r: 0, t: 0, b: 0 }, uirevision: `${state.set}`,
      legend: { x: 0, y: 1, bgcolor: "rgba(255,255,255,0.7)", itemsizing: "constant" },
      scene: { aspectmode: "data", xaxis: axis("x, m"), yaxis: axis("z, m"), zaxis: axis("up (−y), m"),
        camera: { eye: { x: -0.6, y: -0.6, z: 0.5 } }, dragmode: "turntable" } };
    return Plotly.react("cloud", traces, layout, { displaylogo: false, responsive: true });
  }

  function whenRead(next) {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", next);
    else next();
  }

  at("set").replaceChildren(...data.sets.map((one, place) => option(place, one.name)));
  at("set").addEventListener("change", () => {
    state.set = Number(at("set").value);
    fillChoices();
    drawPictures();
    whenRead(drawCloud);
  });
  at("camera").addEventListener("change", () => {
    state.camera = at("camera").value;
    drawPictures();
  });
  fillChoices();
  fillCloudChoices();
  fillScales();
  drawPictures().then((drawn) => {
    drawn.on("plotly_hover", tellPixel);
    // Only after the browser has put them on the screen, and the rest of the page is there.
    requestAnimationFrame(() => setTimeout(() => {
      performance.mark("pictures");
      whenRead(() => drawCloud().then(() => performance.mark("cloud")));
    }));
  });
  let waits;
  addEventListener("resize", () => {
    clearTimeout(waits);
    waits = setTimeout(drawPictures, 150);
  });
})();

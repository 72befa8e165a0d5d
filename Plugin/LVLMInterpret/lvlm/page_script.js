"use strict";
// The page of lvlm.save_page: draws what the block of data holds. All words reach the page as text, never as HTML.
(() => {
  const byId = id => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const [rows, cols] = data.grid;
  const state = { word: data.first, kind: "attention", layer: -1, head: -1 };
  // Inferno of matplotlib at tenths, red green blue.
  const INFERNO = [[0, 0, 4], [22, 11, 57], [66, 10, 104], [106, 23, 110], [147, 38, 103], [188, 55, 84], [221, 81, 58],
    [243, 120, 25], [252, 165, 10], [246, 215, 70], [252, 255, 164]];
  const KINDS = { attention: "Attention", decoder: "Relevancy through the language model", joint_token: "Relevancy through both, for this word",
    vision: "Relevancy through the vision tower (rough)", joint: "Relevancy through both, for the whole picture (rough)" };

  const text = (tag, content, parent, css) => {
    const made = document.createElement(tag);
    made.textContent = content;
    if (css) made.className = css;
    if (parent) parent.append(made);
    return made;
  };
  const mix = (a, b, part) => a + (b - a) * part;
  const color = part => {
    const at = Math.min(Math.max(part, 0), 1) * 10, i = Math.min(Math.floor(at), 9);
    return INFERNO[i].map((low, channel) => Math.round(mix(low, INFERNO[i + 1][channel], at - i)));
  };
  // The picture shows through where there is little: a tenth, then six tenths at 0.4, then most.
  const opacity = part => part < 0.4 ? mix(0.1, 0.6, part / 0.4) : mix(0.6, 0.85, (part - 0.4) / 0.6);
  const number = value => value === 0 ? "0" : value >= 0.001 ? value.toPrecision(3) : value.toExponential(1);
  const percent = value => value > 0.9995 && value < 1 ? "> 99.9 %" : (value >= 0.0995 ? Number((100 * value).toFixed(1)) : Number((100 * value).toPrecision(2))) + " %";
  const wordOf = token => token.text.trim() ? token.text.trim() : token.token.replace(/\n/g, "\u21b5") || "\u00b7";

  // A chunk holds maps: a float32 each, its highest value, then a byte for each number, 255 times the root of its part of that.
  const chunks = new Map();
  const chunk = name => {
    if (!chunks.has(name)) chunks.set(name, name in data.chunks ? unpack(data.chunks[name]) : Promise.resolve(null));
    return chunks.get(name);
  };
  const unpack = async ({ count, deflated }) => {
    const packed = Uint8Array.from(atob(deflated), letter => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const buffer = await new Response(stream).arrayBuffer();
    const tops = new Float32Array(buffer, 0, count), bytes = new Uint8Array(buffer, 4 * count), size = bytes.length / count;
    const map = i => Float32Array.from(bytes.subarray(i * size, (i + 1) * size), byte => (byte / 255) ** 2 * tops[i]);
    const mean = () => {
      const sum = new Float32Array(size);
      for (let i = 0; i < count; i++) map(i).forEach((value, at) => { sum[at] += value / count; });
      return sum;
    };
    return { tops, map, mean };
  };

  // The numbers that are asked for; `average`: where the page has them for the whole answer only.
  const shown = async () => {
    const { word, layer, head } = state;
    const perWord = await chunk(state.kind !== "attention" ? "relevancy." + state.kind
      : layer < 0 ? "mean" : head < 0 ? "layer." + layer : "head." + layer + "." + head);
    if (perWord) return { values: word < 0 ? perWord.mean() : perWord.map(word), tops: word < 0 ? null : perWord.tops };
    const heads = await chunk("answer." + layer);
    return { values: head < 0 ? heads.mean() : heads.map(head), average: word >= 0 };
  };

  let values = new Float32Array(rows * cols);
  const drawMap = (top, root) => {
    const canvas = byId("map"), context = canvas.getContext("2d");
    const pixels = context.createImageData(cols, rows);
    values.forEach((value, i) => {
      const part = top > 0 ? Math.min(value / top, 1) : 0, at = root ? Math.sqrt(part) : part;
      pixels.data.set([...color(at), Math.round(255 * opacity(at))], 4 * i);
    });
    context.putImageData(pixels, 0, 0);
    byId("ticks").replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map(at => text("span", number(top * (root ? at * at : at)))));
  };
  const drawBar = () => {
    const context = byId("bar").getContext("2d"), pixels = context.createImageData(256, 1);
    for (let i = 0; i < 256; i++) pixels.data.set([...color(i / 255), 255], 4 * i);
    context.putImageData(pixels, 0, 0);
  };
  const cell = 12; // pixels of the matrix, a head
  const partly = Object.keys(data.chunks).filter(name => name.startsWith("head.")).length < data.layers * data.heads;
  const drawHeads = async () => {
    const summary = await chunk("summary");
    const shares = state.word < 0 ? summary.mean() : summary.map(state.word), top = shares.reduce((a, b) => Math.max(a, b), 0);
    const context = byId("heads").getContext("2d");
    context.clearRect(0, 0, data.layers * cell, data.heads * cell);
    for (let layer = 0; layer < data.layers; layer++) {
      for (let head = 0; head < data.heads; head++) {
        context.fillStyle = "rgb(" + color(top > 0 ? shares[layer * data.heads + head] / top : 0).join() + ")";
        context.fillRect(layer * cell, (data.heads - 1 - head) * cell, cell - 1, cell - 1);
        if (partly && data.chunks["head." + layer + "." + head]) {
          context.fillStyle = "#35c3ff";
          context.fillRect(layer * cell + 3, (data.heads - 1 - head) * cell + 3, 5, 5);
        }
      }
    }
    if (state.layer >= 0) {
      const [first, height] = state.head < 0 ? [data.heads - 1, data.heads] : [state.head, 1];
      for (const [ink, width] of [["#fff", 6], ["#0067d8", 3]]) { // seen on dark and on bright squares
        context.strokeStyle = ink;
        context.lineWidth = width;
        context.strokeRect(state.layer * cell, (data.heads - 1 - first) * cell, cell - 1, height * cell - 1);
      }
    }
    byId("heads-range").textContent = "0 to " + percent(top) + (partly ? "; with a blue dot: the page has its map for each word" : "");
  };

  const describe = average => {
    const who = state.word < 0 || average ? "The whole answer" : "\u201c" + wordOf(data.words[state.word]) + "\u201d";
    const share = values.reduce((a, b) => a + b, 0), best = values.indexOf(values.reduce((a, b) => Math.max(a, b), 0));
    const place = state.kind !== "attention" ? "" : state.layer < 0 ? ", mean over all layers and heads"
      : ", layer " + state.layer + (state.head < 0 ? ", mean over its heads" : ", head " + state.head);
    const where = "row " + Math.floor(best / cols) + ", column " + best % cols + " (" + number(values[best]) + ").";
    const what = state.kind === "attention" ? percent(share) + " of the attention goes to the picture, most to " + where
      + (share < 0.01 ? " That is hardly any: the colors run to the map\u2019s highest value, however small." : "")
      : "the relevancy of the patches, highest at " + where;
    return who + place + ": " + what + (average ? " The page has this map for the whole answer only, not for each word." : "");
  };
  const fill = (table, caption, lines) => {
    table.caption.textContent = caption;
    table.hidden = !lines.length;
    table.tBodies[0].replaceChildren(...lines.map(([word, part]) => {
      const line = document.createElement("tr");
      text("bdi", word, line.appendChild(document.createElement("td")));
      text("span", "", line.appendChild(document.createElement("td")), "bar").style.width = 100 * part + "%";
      text("td", percent(part), line);
      return line;
    }));
  };
  const describeWord = () => {
    const token = data.words[state.word];
    byId("word-title").textContent = token ? "\u201c" + wordOf(token) + "\u201d" : "The whole answer";
    fill(byId("others"), token && token.p !== null ? "It had a probability of " + percent(token.p) + ". The likeliest here:" : "The likeliest here:",
      token ? token.others.map(([word, p]) => [wordOf({ text: word, token: word }), p]) : []);
    fill(byId("sources"), "What made it, by relevancy:", token && token.sources && state.kind !== "attention" ? token.sources : []);
  };

  // Scrolls the words, never the page.
  const reveal = button => {
    const words = byId("words"), above = button.offsetTop - words.scrollTop, below = above + button.offsetHeight - words.clientHeight;
    if (above < 0 || below > 0) words.scrollTop += above < 0 ? above : below;
  };

  let turn = 0;
  const update = async () => {
    const mine = ++turn, found = await shown();
    if (mine !== turn) return; // another choice was made meanwhile
    values = found.values;
    const own = values.reduce((a, b) => Math.max(a, b), 0);
    drawMap(byId("same").checked && found.tops ? found.tops.reduce((a, b) => Math.max(a, b), own) : own, byId("root").checked);
    document.querySelectorAll("#words button").forEach(button => {
      const chosen = Number(button.dataset.word) === state.word;
      button.setAttribute("aria-pressed", chosen);
      button.tabIndex = chosen ? 0 : -1;
      if (chosen) reveal(button);
    });
    byId("where").hidden = state.kind !== "attention";
    byId("layer").value = state.layer;
    byId("layer-name").textContent = state.layer < 0 ? "all layers" : "layer " + state.layer;
    byId("layer").setAttribute("aria-valuetext", byId("layer-name").textContent);
    byId("head").disabled = state.layer < 0;
    byId("head").value = state.head;
    byId("map").style.opacity = byId("strength").value;
    byId("status").textContent = describe(found.average);
    describeWord();
    await drawHeads();
  };
  const choose = change => {
    Object.assign(state, change);
    if (state.layer < 0) state.head = -1;
    update().catch(error => { byId("status").textContent = "The maps cannot be shown: " + error.message; });
  };

  const makeWords = () => {
    const words = byId("words");
    words.replaceChildren();
    const button = (word, label, css) => {
      const made = text("button", label, words, css);
      made.type = "button";
      made.dataset.word = word;
      made.addEventListener("click", () => choose({ word }));
      return made;
    };
    button(-1, "whole answer", "whole");
    data.words.forEach((token, word) => {
      const made = button(word, wordOf(token));
      if (token.p !== null) {
        text("span", "", made).style.transform = "scaleX(" + token.p + ")";
        made.title = percent(token.p);
      }
      if (/\n/.test(token.text)) words.append(document.createElement("br"));
    });
    words.addEventListener("keydown", event => {
      const last = data.words.length - 1;
      const next = { ArrowRight: state.word + 1, ArrowDown: state.word + 1, ArrowLeft: state.word - 1, ArrowUp: state.word - 1, Home: 0, End: last }[event.key];
      if (next === undefined || next < -1 || next > last) return;
      event.preventDefault();
      choose({ word: next });
      words.querySelector("[data-word='" + next + "']").focus();
    });
  };
  const makeControls = () => {
    ["attention", ...data.relevancy].forEach(kind => {
      const label = text("label", KINDS[kind], byId("kinds").appendChild(document.createElement("p"))), made = document.createElement("input");
      Object.assign(made, { type: "radio", name: "kind", value: kind, checked: kind === "attention" });
      made.addEventListener("change", () => choose({ kind }));
      label.prepend(made);
    });
    byId("kinds").hidden = !data.relevancy.length;
    byId("layer").max = data.layers - 1;
    byId("layer").addEventListener("input", event => choose({ layer: Number(event.target.value) }));
    text("option", "mean of all", byId("head")).value = -1;
    for (let head = 0; head < data.heads; head++) text("option", String(head), byId("head")).value = head;
    byId("head").addEventListener("change", event => choose({ head: Number(event.target.value) }));
    for (const id of ["same", "root", "strength"]) byId(id).addEventListener("input", () => choose({}));
  };
  const makeHeads = () => {
    const canvas = byId("heads");
    canvas.width = data.layers * cell;
    canvas.height = data.heads * cell;
    canvas.style.maxWidth = 24 * data.layers + "px";
    canvas.addEventListener("click", event => {
      const box = canvas.getBoundingClientRect(), within = (at, count) => Math.min(Math.max(Math.floor(at * count), 0), count - 1);
      choose({ layer: within((event.clientX - box.left) / box.width, data.layers), head: within(1 - (event.clientY - box.top) / box.height, data.heads) });
    });
    canvas.addEventListener("keydown", event => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!step) return;
      event.preventDefault();
      choose({ layer: (Math.max(state.layer, 0) + step[0] + data.layers) % data.layers, head: (Math.max(state.head, 0) + step[1] + data.heads) % data.heads });
    });
  };
  const makeMap = () => {
    const canvas = byId("map"), [left, top, right, bottom] = data.box; // parts of the picture, from its top left
    canvas.width = cols;
    canvas.height = rows;
    Object.assign(canvas.style, { left: 100 * left + "%", top: 100 * top + "%", width: 100 * (right - left) + "%", height: 100 * (bottom - top) + "%" });
    byId("stage").addEventListener("pointermove", event => {
      const box = canvas.getBoundingClientRect();
      const col = Math.floor((event.clientX - box.left) / box.width * cols), row = Math.floor((event.clientY - box.top) / box.height * rows);
      const inside = col >= 0 && col < cols && row >= 0 && row < rows;
      byId("probe").textContent = inside ? "Row " + row + ", column " + col + ": " + number(values[row * cols + col]) : "Point at the picture to read a patch.";
    });
  };

  document.body.classList.add("running");
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(details => { details.open = true; }));
  makeWords();
  makeControls();
  makeHeads();
  makeMap();
  drawBar();
  if (typeof DecompressionStream === "undefined") byId("status").textContent = "This browser is from before 2023 and cannot unpack the maps.";
  else choose({});
})();
